/**
 * Routes in the network driver: asks the kernel's own routing and neighbour tables, counts the hop down, rewrites the MAC addresses,
 * and sends the packet out of the right interface without it ever reaching the stack.
 *
 * What the program cannot do itself it leaves to the stack: a hop limit that runs out (the stack answers "time exceeded"), unknown
 * neighbours (the stack asks for them), packets to this host, VLANs, ARP. The kernel must be a router: net.ipv4.ip_forward and
 * net.ipv6.conf.all.forwarding are 1. Every answer of the lookup is counted by its number in `fib_results`.
 */
import { perCpuArray, redirect, u32, u64, XDP_DROP, XDP_PASS, type XdpAction, type XdpContext, xdp } from "wirescript/kernel";
import {
  Ethernet,
  EtherType,
  FibResult,
  type FibRoute,
  type FibTarget,
  fibLookupIPv4,
  fibLookupIPv6,
  IPv4,
  IPv6,
  replaceInChecksum,
} from "wirescript/net";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

/** How often each answer came: index FibResult; the last element counts errors and answers of newer kernels. */
export const fib_results = perCpuArray({ value: u64, entries: 11, pinned: true });
const OTHER_RESULT = 10;

export const router = xdp((ctx) => countAction(ctx, route(ctx, redirect)), { section: "xdp_router", name: "xdp_router_func" });

/** How a packet leaves by an interface: `redirect`, or a way through a map of devices. */
type Send = (ifindex: u32) => XdpAction;

export function route(ctx: XdpContext, send: Send): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_DROP;
  if (eth.type === EtherType.IPv4) return routeIPv4(ctx, eth, send);
  if (eth.type === EtherType.IPv6) return routeIPv6(ctx, eth, send);
  return XDP_PASS;
}

function routeIPv4(ctx: XdpContext, eth: Ethernet, send: Send): XdpAction {
  const ip = ctx.at(IPv4, Ethernet.size);
  if (!ip) return XDP_DROP;
  if (ip.ttl <= 1) return XDP_PASS;
  const found = fibLookupIPv4(ctx, ip);
  countAnswer(found);
  if (found.result !== FibResult.SUCCESS) return unrouted(found);
  // TTL is the high byte of its word; the protocol below it does not change.
  ip.checksum = replaceInChecksum(ip.checksum, 0x0100, 0);
  ip.ttl--;
  return forward(eth, found.to, send);
}

function routeIPv6(ctx: XdpContext, eth: Ethernet, send: Send): XdpAction {
  const ip = ctx.at(IPv6, Ethernet.size);
  if (!ip) return XDP_DROP;
  if (ip.hopLimit <= 1) return XDP_PASS;
  const found = fibLookupIPv6(ctx, ip);
  countAnswer(found);
  if (found.result !== FibResult.SUCCESS) return unrouted(found);
  ip.hopLimit--;
  return forward(eth, found.to, send);
}

function forward(eth: Ethernet, { ifindex, smac, dmac }: FibTarget, send: Send): XdpAction {
  eth.dst = dmac;
  eth.src = smac;
  return send(ifindex);
}

/** Routes that say to drop are obeyed; everything else is for the stack. */
export function unrouted({ result }: FibRoute): XdpAction {
  return result > 0 && result <= FibResult.PROHIBIT ? XDP_DROP : XDP_PASS;
}

export function countAnswer({ result }: FibRoute): void {
  const counter = fib_results.lookup(result >= 0 && result < OTHER_RESULT ? u32(result) : OTHER_RESULT);
  if (counter) counter.value++;
}
