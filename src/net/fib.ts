/**
 * Where the kernel would send a packet: its routing table and neighbour table, from inside a program.
 * Source: bpf_fib_lookup in bpf-helpers(7); struct bpf_fib_lookup of linux/bpf.h.
 */
import {
  be16,
  be32,
  bytes,
  fibLookup,
  type i64,
  local,
  type PacketContext,
  struct,
  u8,
  u16,
  u32,
  viewAs,
} from "../kernel/index.ts";
import { type Mac, mac } from "./ethernet.ts";
import { type IPv4, IPv6, type IPv6Address, ipv6Address } from "./ip.ts";

/** What a lookup answers. Source: BPF_FIB_LKUP_RET_… of linux/bpf.h. */
export const FibResult = {
  SUCCESS: 0,
  /** The route says to drop. */
  BLACKHOLE: 1,
  UNREACHABLE: 2,
  PROHIBIT: 3,
  /** Not to be forwarded: no route, or the destination is this host. */
  NOT_FWDED: 4,
  /** Forwarding is off on the interface that the packet came in by. */
  FWD_DISABLED: 5,
  /** The route needs an encapsulation that the lookup cannot do. */
  UNSUPP_LWT: 6,
  /** There is no entry for the next hop in the neighbour table yet. */
  NO_NEIGH: 7,
  FRAG_NEEDED: 8,
  /** Linux 6.8 and newer: no source address could be found. */
  NO_SRC_ADDR: 9,
} as const;

const AF_INET = 2;
const AF_INET6 = 10;

const Params4 = struct({
  family: u8,
  protocol: u8,
  sourcePort: be16,
  destinationPort: be16,
  /** In: length of the packet. Out: MTU of the route. */
  length: u16,
  /** In: where the packet came in. Out: where it goes out. */
  ifindex: u32,
  tos: u8,
  tosRest: bytes(3),
  src: be32,
  srcRest: bytes(12),
  dst: be32,
  dstRest: bytes(12),
  vlan: bytes(4),
  smac: mac,
  dmac: mac,
});

const Params6 = struct({
  family: u8,
  protocol: u8,
  sourcePort: be16,
  destinationPort: be16,
  length: u16,
  ifindex: u32,
  flowInfo: be32,
  src: ipv6Address,
  dst: ipv6Address,
  vlan: bytes(4),
  smac: mac,
  dmac: mac,
});

/** The answer. What is in `to` counts only when `result` is FibResult.SUCCESS. */
export interface FibRoute {
  /** One of FibResult, or a negative errno. */
  result: i64;
  to: FibTarget;
}

export interface FibTarget {
  /** The interface to send the packet out of. */
  ifindex: u32;
  /** MAC addresses for the packet's Ethernet header. */
  smac: Mac;
  dmac: Mac;
}

/** The route of the packet with the header `ip`. `ifindex`: the interface that it counts as having come in by. */
export function fibLookupIPv4(ctx: PacketContext, ip: IPv4, flags: u32 = 0, ifindex: u32 = ctx.ingressIfindex): FibRoute {
  const params = local(Params4); // ports are 0: only rules that ask for them would look
  params.family = AF_INET;
  params.protocol = ip.protocol;
  params.length = ip.totalLength;
  params.ifindex = ifindex;
  params.tos = ip.tos;
  params.src = ip.src;
  params.dst = ip.dst;
  return { result: fibLookup(ctx, params, flags), to: params };
}

/** The route to `destination`, for what comes in here. */
export function fibLookupToIPv4(ctx: PacketContext, source: u32, destination: u32): FibRoute {
  const params = local(Params4);
  params.family = AF_INET;
  params.ifindex = ctx.ingressIfindex;
  params.src = source;
  params.dst = destination;
  return { result: fibLookup(ctx, params, 0), to: params };
}

/** The route of the packet with the header `ip`. `ifindex`: the interface that it counts as having come in by. */
export function fibLookupIPv6(ctx: PacketContext, ip: IPv6, flags: u32 = 0, ifindex: u32 = ctx.ingressIfindex): FibRoute {
  const params = local(Params6);
  params.family = AF_INET6;
  params.protocol = ip.nextHeader;
  // The MTU is of the whole packet.
  params.length = IPv6.size + ip.payloadLength;
  params.ifindex = ifindex;
  // Traffic class and flow label, as they lie in the header's first word.
  params.flowInfo = viewAs(ip, be32).value & 0x0fffffff;
  params.src = ip.src;
  params.dst = ip.dst;
  return { result: fibLookup(ctx, params, flags), to: params };
}

/** The route to `destination`, for what comes in here. */
export function fibLookupToIPv6(ctx: PacketContext, source: IPv6Address, destination: IPv6Address): FibRoute {
  const params = local(Params6);
  params.family = AF_INET6;
  params.ifindex = ctx.ingressIfindex;
  params.src = source;
  params.dst = destination;
  return { result: fibLookup(ctx, params, 0), to: params };
}
