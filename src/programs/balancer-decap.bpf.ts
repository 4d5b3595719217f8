/**
 * The other end of the balancer's tunnels, for backends: takes packets out of IP in IP (RFC 2003, RFC 2473, RFC 4213) and GUE
 * (draft-ietf-intarea-gue, variant 1), either family in either, and gives them to the network stack as if there had been no tunnel. The
 * backend needs the service's address, on the loopback device for example, and no tunnel device.
 *
 * Everything else passes as it is: also tunnelled packets with IP options or extension headers outside, fragments, and GUE with a header of its own.
 */
import {
  be16,
  be32,
  perCpuArray,
  setting,
  struct,
  u8,
  type u16,
  type u32,
  u64,
  XDP_DROP,
  XDP_PASS,
  type XdpAction,
  type XdpContext,
  xdp,
} from "wirescript/kernel";
import {
  Ethernet,
  EtherType,
  ethernetPayload,
  IPv4,
  IPv6,
  IpProtocol,
  Ipv4Fragment,
  ipv4Checksum,
  ipv6Address,
  replaceInChecksum,
  TunnelPort,
  Udp,
  VlanTag,
} from "wirescript/net";

/** The address that tunnels come to; zero: any. */
export const address4 = setting(be32, 0);
export const address6 = setting(ipv6Address, ipv6Address());
/** The only sender, which is the balancer's `source4` or `source6`; zero: any. */
export const balancer4 = setting(be32, 0);
export const balancer6 = setting(ipv6Address, ipv6Address());

/** What became of packets, by number. */
export const Fate = {
  /** Passed as they are: not in one of the balancer's tunnels, or to another address. */
  OTHER: 0,
  /** Taken out of IP in IP, and passed. */
  IPIP: 1,
  /** Taken out of GUE, and passed. */
  GUE: 2,
  /** Dropped: tunnelled by somebody else than the balancer. */
  FOREIGN: 3,
  /** Dropped: the outer header's checksum is wrong, or there is no whole IP packet inside. */
  MALFORMED: 4,
  /** Dropped: a router on the way marked congestion, and the sender does not know such marks (RFC 6040, section 4.2). */
  CONGESTED: 5,
} as const;
type FateNumber = u32;
const FateRecord = struct({ packets: u64, bytes: u64 });
/** `bytes` are of whole frames as they came. */
export const fates = perCpuArray({ value: FateRecord, entries: 6 });

const NO_OPTIONS = 5;
const IS_FRAGMENT = Ipv4Fragment.MORE_FRAGMENTS | Ipv4Fragment.OFFSET;
/** The two bits of explicit congestion notification (RFC 3168). */
const Ecn = { MASK: 3, NONE: 0, ECT1: 1, ECT0: 2, CONGESTED: 3 } as const;

export const decap = xdp((ctx) => {
  const frame = ethernetPayload(ctx);
  if (frame?.type === EtherType.IPv4) return outer4(ctx, frame.offset);
  if (frame?.type === EtherType.IPv6) return outer6(ctx, frame.offset);
  return counted(ctx, Fate.OTHER);
});

function outer4(ctx: XdpContext, l3: u32): XdpAction {
  const ip = ctx.at(IPv4, l3);
  if (ip?.version !== 4 || ip.ihl !== NO_OPTIONS || (ip.fragment & IS_FRAGMENT) !== 0) return counted(ctx, Fate.OTHER);
  if (address4 !== 0 && ip.dst !== address4) return counted(ctx, Fate.OTHER);
  const inside = insideOf(ctx, ip.protocol, l3 + IPv4.size);
  if (inside === 0) return counted(ctx, Fate.OTHER);
  if (balancer4 !== 0 && ip.src !== balancer4) return counted(ctx, Fate.FOREIGN);
  const end = l3 + ip.totalLength;
  // With headers that are gone afterwards, nobody else looks at them.
  if (ip.checksum !== ipv4Checksum(ip) || end > ctx.length) return counted(ctx, Fate.MALFORMED);
  return unwrap(ctx, { l3, inside, end, tos: ip.tos, protocol: ip.protocol });
}

function outer6(ctx: XdpContext, l3: u32): XdpAction {
  const ip = ctx.at(IPv6, l3);
  if (ip?.version !== 6) return counted(ctx, Fate.OTHER);
  if (!address6.equals(ipv6Address()) && !ip.dst.equals(address6)) return counted(ctx, Fate.OTHER);
  const inside = insideOf(ctx, ip.nextHeader, l3 + IPv6.size);
  if (inside === 0) return counted(ctx, Fate.OTHER);
  if (!balancer6.equals(ipv6Address()) && !ip.src.equals(balancer6)) return counted(ctx, Fate.FOREIGN);
  const end = l3 + IPv6.size + ip.payloadLength;
  if (end > ctx.length) return counted(ctx, Fate.MALFORMED);
  return unwrap(ctx, { l3, inside, end, tos: ip.trafficClass, protocol: ip.nextHeader });
}

/** Where the packet inside begins; 0 when there is none. */
function insideOf(ctx: XdpContext, protocol: u8, offset: u32): u32 {
  if (protocol === IpProtocol.IPIP || protocol === IpProtocol.IPV6) return offset;
  if (protocol !== IpProtocol.UDP) return 0;
  const datagram = ctx.at(Datagram, offset);
  if (datagram?.udp.destinationPort !== TunnelPort.GUE) return 0;
  return datagram.first >> GUE_VARIANT_SHIFT === 1 ? offset + Udp.size : 0;
}

const Datagram = struct({ udp: Udp, first: u8 });
/** GUE's variant is in the two highest bits; those of variant 1 begin the IP header's own version. */
const GUE_VARIANT_SHIFT = 6;

/** A packet in a packet: where the outer header, the inner one, and the outer packet's end are, and the outer header's fields. */
interface Tunnelled {
  l3: u32;
  inside: u32;
  end: u32;
  tos: u8;
  protocol: u8;
}

function unwrap(ctx: XdpContext, { l3, inside, end, tos, protocol }: Tunnelled): XdpAction {
  const fate = protocol === IpProtocol.UDP ? Fate.GUE : Fate.IPIP;
  const ecn = tos & Ecn.MASK;
  const ip = ctx.at(IPv4, inside);
  if (!ip) return counted(ctx, Fate.MALFORMED);
  if (ip.version === 4) {
    const whole = ip.ihl >= NO_OPTIONS && ip.totalLength >= ip.ihl * 4 && inside + ip.totalLength <= end;
    if (!whole || protocol === IpProtocol.IPV6) return counted(ctx, Fate.MALFORMED);
    const own = ip.tos & Ecn.MASK;
    if (isLost(ecn, own)) return counted(ctx, Fate.CONGESTED);
    if (isMarked(ecn, own)) {
      const before: u16 = (0x4000 + (ip.ihl << 8)) | ip.tos;
      ip.tos = (ip.tos & ~Ecn.MASK) | ecn;
      ip.checksum = replaceInChecksum(ip.checksum, before, (0x4000 + (ip.ihl << 8)) | ip.tos);
    }
    return strip(ctx, l3, inside, EtherType.IPv4, fate);
  }
  const ip6 = ctx.at(IPv6, inside);
  const whole = ip6?.version === 6 && inside + IPv6.size + ip6.payloadLength <= end;
  if (!ip6 || !whole || protocol === IpProtocol.IPIP) return counted(ctx, Fate.MALFORMED);
  const own = ip6.trafficClass & Ecn.MASK;
  if (isLost(ecn, own)) return counted(ctx, Fate.CONGESTED);
  if (isMarked(ecn, own)) ip6.trafficClass = (ip6.trafficClass & ~Ecn.MASK) | ecn;
  return strip(ctx, l3, inside, EtherType.IPv6, fate);
}

function isLost(outer: u8, inner: u8): boolean {
  return outer === Ecn.CONGESTED && inner === Ecn.NONE;
}

/** Whether what routers of the tunnel marked must be told to the receiver: the table of RFC 6040, section 4.2. */
function isMarked(outer: u8, inner: u8): boolean {
  if (outer === Ecn.CONGESTED) return inner !== Ecn.CONGESTED;
  return outer === Ecn.ECT1 && inner === Ecn.ECT0;
}

/** Moves the frame's header, with its tags, to the inner packet. */
function strip(ctx: XdpContext, l3: u32, inside: u32, type: be16, fate: FateNumber): XdpAction {
  const size = inside - l3;
  const eth = ctx.at(Ethernet);
  const to = ctx.at(Ethernet, size);
  if (!eth || !to) return XDP_DROP;
  count(ctx, fate);
  // The last tag first: with two of them, its new place covers the end of its old one.
  for (let tag = LAST_TAG; tag >= Ethernet.size; tag -= VlanTag.size) {
    if (l3 <= tag) continue;
    const old = ctx.at(VlanTag, tag);
    const moved = ctx.at(VlanTag, tag + size);
    if (!old || !moved) return XDP_DROP;
    moved.control = old.control;
    moved.type = old.type;
  }
  to.type = eth.type;
  to.src = eth.src;
  to.dst = eth.dst;
  const innermost = ctx.at(be16, inside - 2);
  if (!innermost) return XDP_DROP;
  innermost.value = type;
  return ctx.adjustHead(size) ? XDP_PASS : XDP_DROP;
}
const LAST_TAG = Ethernet.size + VlanTag.size;

/** Counts, and is the verdict for what stays as it is. */
function counted(ctx: XdpContext, fate: FateNumber): XdpAction {
  count(ctx, fate);
  return fate === Fate.OTHER ? XDP_PASS : XDP_DROP;
}

function count(ctx: XdpContext, fate: FateNumber): void {
  const record = fates.lookup(fate);
  if (!record) return;
  record.packets++;
  record.bytes += ctx.length;
}
