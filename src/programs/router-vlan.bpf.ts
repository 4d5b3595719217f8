/**
 * The router of router.bpf.ts for networks in VLANs: tagged packets are routed between VLANs, and leave with the tag of the network they go to.
 *
 * The kernel's tables speak of subinterfaces, devices such as eth0.10, and XDP of the port below them, eth0: a packet comes in by the port with a tag,
 * and a lookup that says "leave by eth0.20" cannot be obeyed, because XDP redirects to no VLAN device. Two maps, which user space fills, say what belongs
 * together: `vlan_in` gives the subinterface for a port and a VLAN id, `vlan_out` the port and the id for a subinterface. Where the kernel has VLAN
 * devices, these are the subinterfaces; otherwise any device will do that has the addresses, routes and neighbours of that network.
 *
 * Untagged packets belong to the port itself; devices that are not in `vlan_out` get untagged packets. The priority in the tag stays. Tags
 * within tags, and VLANs that are not in the map, are for the stack.
 */
import {
  hash,
  redirect,
  struct,
  u16,
  u32,
  XDP_ABORTED,
  XDP_DROP,
  XDP_PASS,
  type XdpAction,
  type XdpContext,
  xdp,
} from "wirescript/kernel";
import {
  Ethernet,
  EtherType,
  FibResult,
  type FibTarget,
  fibLookupIPv4,
  fibLookupIPv6,
  IPv4,
  IPv6,
  replaceInChecksum,
  VlanTag,
} from "wirescript/net";
import { countAnswer, unrouted } from "./router.bpf.ts";
import { countAction } from "./stats.bpf.ts";

export { fib_results } from "./router.bpf.ts";
export { xdp_stats_map } from "./stats.bpf.ts";

/** A VLAN at a port. */
const VlanPort = struct({ ifindex: u32, vlan: u16, unused: u16 });

const SUBINTERFACES = 4096;
/** By port and VLAN id: the subinterface's ifindex. */
export const vlan_in = hash({ key: VlanPort, value: u32, entries: SUBINTERFACES, pinned: true });
/** By the subinterface's ifindex: port and VLAN id. */
export const vlan_out = hash({ key: u32, value: VlanPort, entries: SUBINTERFACES, pinned: true });

export const router_vlan = xdp((ctx) => countAction(ctx, route(ctx)), {
  section: "xdp_router_vlan",
  name: "xdp_router_vlan",
});

/** Of the tag's control word: priority and drop eligibility, and the VLAN's id. */
const PRIORITY = 0xf000;
const ID = 0x0fff;

/** What is known of the tag that a packet came with. */
interface Tag {
  present: boolean;
  control: u16;
}

function route(ctx: XdpContext): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_DROP;
  if (eth.type !== EtherType.VLAN) {
    return routeAt(ctx, Ethernet.size, eth.type, ctx.ingressIfindex, { present: false, control: 0 });
  }
  const tag = ctx.at(VlanTag, Ethernet.size);
  if (!tag) return XDP_DROP;
  const { control, type } = tag;
  const subinterface = vlan_in.lookup({ ifindex: ctx.ingressIfindex, vlan: control & ID, unused: 0 });
  if (!subinterface) return XDP_PASS;
  return routeAt(ctx, Ethernet.size + VlanTag.size, type, subinterface.value, { present: true, control });
}

function routeAt(ctx: XdpContext, offset: u32, type: u16, ingress: u32, tag: Tag): XdpAction {
  if (type === EtherType.IPv4) {
    const ip = ctx.at(IPv4, offset);
    if (!ip) return XDP_DROP;
    if (ip.ttl <= 1) return XDP_PASS;
    const found = fibLookupIPv4(ctx, ip, 0, ingress);
    countAnswer(found);
    if (found.result !== FibResult.SUCCESS) return unrouted(found);
    // TTL is the high byte of its word; the protocol below it does not change.
    ip.checksum = replaceInChecksum(ip.checksum, 0x0100, 0);
    ip.ttl--;
    return forward(ctx, type, found.to, tag);
  }
  if (type === EtherType.IPv6) {
    const ip = ctx.at(IPv6, offset);
    if (!ip) return XDP_DROP;
    if (ip.hopLimit <= 1) return XDP_PASS;
    const found = fibLookupIPv6(ctx, ip, 0, ingress);
    countAnswer(found);
    if (found.result !== FibResult.SUCCESS) return unrouted(found);
    ip.hopLimit--;
    return forward(ctx, type, found.to, tag);
  }
  return XDP_PASS;
}

/** Gives the packet the tag of the network that it goes to, or none. */
function forward(ctx: XdpContext, type: u16, { ifindex, smac, dmac }: FibTarget, tag: Tag): XdpAction {
  const out = vlan_out.lookup(ifindex);
  if (!out) {
    // There is room in what the packet was, so this cannot fail.
    if (tag.present && !ctx.adjustHead(VlanTag.size)) return XDP_ABORTED;
    const eth = ctx.at(Ethernet);
    if (!eth) return XDP_ABORTED;
    eth.dst = dmac;
    eth.src = smac;
    eth.type = type;
    return redirect(ifindex);
  }
  const { ifindex: port, vlan } = out;
  // A driver without headroom cannot take a tag: then the tracepoint tells.
  if (!tag.present && !ctx.adjustHead(-VlanTag.size)) return XDP_ABORTED;
  const eth = ctx.at(Ethernet);
  const outer = ctx.at(VlanTag, Ethernet.size);
  if (!eth || !outer) return XDP_ABORTED;
  eth.dst = dmac;
  eth.src = smac;
  eth.type = EtherType.VLAN;
  outer.control = (tag.control & PRIORITY) | vlan;
  outer.type = type;
  return redirect(port);
}
