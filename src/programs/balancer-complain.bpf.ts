/**
 * What the balancer tells senders of packets that go no further: ICMP "time exceeded" at the end of a TTL, and "too big" in front of tunnels and of
 * devices with a smaller MTU. The messages come from the address that the packet was for, and quote as much of it as RFC 1812 (576 bytes in all) and RFC 4443 (1280) allow.
 */
import {
  be16,
  byteSwap16,
  byteSwap32,
  noinline,
  u8,
  u16,
  u32,
  type u64,
  viewAs,
  XDP_DROP,
  XDP_TX,
  type XdpAction,
  type XdpContext,
} from "wirescript/kernel";
import {
  Ethernet,
  EtherType,
  IcmpError,
  IcmpType,
  Icmpv6Error,
  Icmpv6Type,
  IPv4,
  IPv6,
  IpProtocol,
  Ipv4Fragment,
  Ipv6Words,
  ipv4Checksum,
} from "wirescript/net";
import { mayComplain } from "./balancer-choose.bpf.ts";
import { count, seconds } from "./balancer-count.bpf.ts";
import { Reason } from "./balancer-maps.bpf.ts";
import { makeRoom, TYPE } from "./balancer-room.bpf.ts";

const OWN_TTL = 64;
/** Code of DESTINATION_UNREACHABLE. */
const FRAGMENTATION_NEEDED = 4;
const LONGEST4 = 576;
/** The least MTU of IPv6: no router may ask for less. */
const LONGEST6 = 1280;

export function expired4(ctx: XdpContext, l3: u32): XdpAction {
  count(ctx, Reason.TTL_EXPIRED);
  return complain4(ctx, l3, IcmpType.TIME_EXCEEDED, 0, 0);
}

/** It may have `room` bytes at most. */
export function tooBig4(ctx: XdpContext, l3: u32, room: u32): XdpAction {
  count(ctx, Reason.TOO_BIG);
  return complain4(ctx, l3, IcmpType.DESTINATION_UNREACHABLE, FRAGMENTATION_NEEDED, u16(room));
}

const complain4 = noinline((ctx: XdpContext, l3: u32, kind: u8, code: u8, parameter: u16): XdpAction => {
  const ip = ctx.at(IPv4, l3);
  // Nobody complains about ICMP, or it would go back and forth.
  if (!ip || ip.protocol === IpProtocol.ICMP || !mayComplain(seconds())) return XDP_DROP;
  const { src, dst, totalLength } = ip;
  const headers = IPv4.size + IcmpError.size;
  const quoted = lesser(totalLength, LONGEST4 - headers);
  if (!cut(ctx, l3 + quoted) || !makeRoom(ctx, l3, headers)) return XDP_DROP;
  const before = ctx.at(Ethernet, headers);
  const eth = ctx.at(Ethernet);
  const type = ctx.at(be16, l3 - TYPE);
  const own = ctx.at(IPv4, l3);
  const icmp = ctx.at(IcmpError, l3 + IPv4.size);
  if (!before || !eth || !type || !own || !icmp) return XDP_DROP;
  eth.dst = before.src;
  eth.src = before.dst;
  type.value = EtherType.IPv4;
  own.version = 4;
  own.ihl = 5;
  own.tos = 0;
  own.totalLength = headers + quoted;
  own.id = 0;
  own.fragment = Ipv4Fragment.DONT_FRAGMENT;
  own.ttl = OWN_TTL;
  own.protocol = IpProtocol.ICMP;
  own.src = dst;
  own.dst = src;
  own.checksum = ipv4Checksum(own);
  icmp.type = kind;
  icmp.code = code;
  icmp.checksum = 0;
  icmp.unused = 0;
  icmp.mtu = parameter;
  const sum = sumOf(ctx, l3 + IPv4.size, IcmpError.size + quoted);
  const written = ctx.at(IcmpError, l3 + IPv4.size);
  if (!written) return XDP_DROP;
  written.checksum = finished(sum);
  return XDP_TX;
});

export function expired6(ctx: XdpContext, l3: u32): XdpAction {
  count(ctx, Reason.TTL_EXPIRED);
  return complain6(ctx, l3, Icmpv6Type.TIME_EXCEEDED, 0);
}

export function tooBig6(ctx: XdpContext, l3: u32, room: u32): XdpAction {
  count(ctx, Reason.TOO_BIG);
  return complain6(ctx, l3, Icmpv6Type.PACKET_TOO_BIG, room < LONGEST6 ? LONGEST6 : room);
}

const complain6 = noinline((ctx: XdpContext, l3: u32, kind: u8, parameter: u32): XdpAction => {
  const ip = ctx.at(IPv6, l3);
  if (!ip || ip.nextHeader === IpProtocol.ICMPV6 || !mayComplain(seconds())) return XDP_DROP;
  const { src, dst } = ip;
  const headers = IPv6.size + Icmpv6Error.size;
  const quoted = lesser(IPv6.size + ip.payloadLength, LONGEST6 - headers);
  if (!cut(ctx, l3 + quoted) || !makeRoom(ctx, l3, headers)) return XDP_DROP;
  const before = ctx.at(Ethernet, headers);
  const eth = ctx.at(Ethernet);
  const type = ctx.at(be16, l3 - TYPE);
  const own = ctx.at(IPv6, l3);
  const icmp = ctx.at(Icmpv6Error, l3 + IPv6.size);
  if (!before || !eth || !type || !own || !icmp) return XDP_DROP;
  eth.dst = before.src;
  eth.src = before.dst;
  type.value = EtherType.IPv6;
  own.version = 6;
  own.trafficClass = 0;
  own.flowLabel = 0;
  own.payloadLength = Icmpv6Error.size + quoted;
  own.nextHeader = IpProtocol.ICMPV6;
  own.hopLimit = OWN_TTL;
  own.src = dst;
  own.dst = src;
  icmp.type = kind;
  icmp.code = 0;
  icmp.checksum = 0;
  icmp.parameter = parameter;
  const from = viewAs(own.src, Ipv6Words);
  const to = viewAs(own.dst, Ipv6Words);
  const addresses = from.a + from.b + from.c + from.d + to.a + to.b + to.c + to.d;
  const pseudo = byteSwap32(Icmpv6Error.size + quoted) + byteSwap32(IpProtocol.ICMPV6);
  const sum = sumOf(ctx, l3 + IPv6.size, Icmpv6Error.size + quoted) + addresses + pseudo;
  const written = ctx.at(Icmpv6Error, l3 + IPv6.size);
  if (!written) return XDP_DROP;
  written.checksum = finished(sum);
  return XDP_TX;
});

function lesser(length: u32, limit: u16): u16 {
  return length < limit ? u16(length) : limit;
}

/** Ends the frame at `length`, which it has at least. */
function cut(ctx: XdpContext, length: u32): boolean {
  return ctx.length === length || ctx.adjustTail(length - ctx.length);
}

/** Of `length` bytes from `offset` on, as they lie in memory: not yet folded to 16 bits. */
function sumOf(ctx: XdpContext, offset: u32, length: u32): u64 {
  let sum: u64 = 0;
  const words = (length >> 2) & 0x1ff;
  for (let i = 0; i < words; i++) {
    const word = ctx.at(u32, offset + i * 4);
    if (!word) break;
    sum += word.value;
  }
  let rest: u32 = offset + (words << 2);
  if ((length & 2) !== 0) {
    const half = ctx.at(u16, rest);
    if (half) sum += half.value;
    rest += 2;
  }
  const last = (length & 1) !== 0 ? ctx.at(u8, rest) : null;
  return last ? sum + last.value : sum;
}

/** The checksum that makes a sum right. */
function finished(sum: u64): u16 {
  let folded: u64 = (sum & 0xffffffff) + (sum >> 32);
  folded = (folded & 0xffff) + (folded >> 16);
  folded = (folded & 0xffff) + (folded >> 16);
  folded = (folded & 0xffff) + (folded >> 16);
  return byteSwap16(u16(~folded));
}
