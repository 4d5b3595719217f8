/**
 * Answers pings in the network driver, before the kernel sees them: an echo request goes back where it came from, with addresses
 * swapped, its type turned into a reply, and its checksum corrected. VLAN tags are skipped; everything else passes.
 *
 * As in the XDP tutorial's packet03, IPv4 options are allowed, IPv6 extension headers are not followed, and TTL, code, id,
 * sequence and payload stay as they are.
 */
import { type u32, XDP_PASS, XDP_TX, type XdpAction, type XdpContext, xdp } from "wirescript/kernel";
import {
  Ethernet,
  EtherType,
  ethernetPayload,
  Icmp,
  IcmpType,
  Icmpv6Type,
  IPv4,
  IPv6,
  IpProtocol,
  replaceInChecksum,
} from "wirescript/net";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

export const echo = xdp((ctx) => countAction(ctx, answer(ctx)));

function answer(ctx: XdpContext): XdpAction {
  const payload = ethernetPayload(ctx);
  if (!payload) return XDP_PASS;
  if (payload.type === EtherType.IPv4) return answerIPv4(ctx, payload.offset);
  if (payload.type === EtherType.IPv6) return answerIPv6(ctx, payload.offset);
  return XDP_PASS;
}

function answerIPv4(ctx: XdpContext, offset: u32): XdpAction {
  const ip = ctx.at(IPv4, offset);
  if (!ip || ip.ihl < 5 || ip.protocol !== IpProtocol.ICMP) return XDP_PASS;
  const icmp = ctx.at(Icmp, offset + ip.ihl * 4);
  if (!icmp || icmp.type !== IcmpType.ECHO_REQUEST) return XDP_PASS;

  // The header's own checksum stays right: a sum does not care for the order of its terms.
  const source = ip.src;
  ip.src = ip.dst;
  ip.dst = source;
  return reply(ctx, icmp, IcmpType.ECHO_REQUEST, IcmpType.ECHO_REPLY);
}

function answerIPv6(ctx: XdpContext, offset: u32): XdpAction {
  const ip = ctx.at(IPv6, offset);
  if (!ip || ip.nextHeader !== IpProtocol.ICMPV6) return XDP_PASS;
  const icmp = ctx.at(Icmp, offset + IPv6.size);
  if (!icmp || icmp.type !== Icmpv6Type.ECHO_REQUEST) return XDP_PASS;

  const source = ip.src;
  ip.src = ip.dst;
  ip.dst = source;
  return reply(ctx, icmp, Icmpv6Type.ECHO_REQUEST, Icmpv6Type.ECHO_REPLY);
}

/** Turns the message around: its type, the checksum over it, and the frame's MAC addresses. */
function reply(ctx: XdpContext, icmp: Icmp, from: number, to: number): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_PASS;
  const source = eth.src;
  eth.src = eth.dst;
  eth.dst = source;

  icmp.type = to;
  // The type is the high byte of the first word; the code below it does not change.
  icmp.checksum = replaceInChecksum(icmp.checksum, from << 8, to << 8);
  return XDP_TX;
}
