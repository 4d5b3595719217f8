/** What is neither TCP nor UDP of the plain kind: ICMP, fragments, options, and packets that are cut off. */
import { type i64, noinline, type u8, type u32, type XdpAction, type XdpContext } from "wirescript/kernel";
import {
  Icmp,
  Icmpv6Type,
  IPv4,
  IPv6,
  IpProtocol,
  Ipv4Fragment,
  Ipv6Extension,
  Ipv6FragmentHeader,
  Tcp,
  Udp,
} from "wirescript/net";
import { done } from "./balancer-choose.bpf.ts";
import { drop, pass } from "./balancer-count.bpf.ts";
import { Reason, source4, source6, vips4, vips6 } from "./balancer-maps.bpf.ts";
import { packed } from "./balancer-packet.bpf.ts";

const NO_OPTIONS = 5;
const IS_FRAGMENT = Ipv4Fragment.MORE_FRAGMENTS | Ipv4Fragment.OFFSET;

/** What is known of a packet that `balance4` and `balance6` do not forward. */
export const Known = {
  NOTHING: 0,
  /** It is whole, and its connection does not go on. */
  OVER: 1,
  /** It is whole, and has no connection. */
  NEW: 2,
} as const;

/** What handles such a packet; `known` is of `Known`. */
export type Slow = (ctx: XdpContext, known: u32) => XdpAction;

/**
 * What is to be done with a packet: below zero it is done, with the action, negated; from `TO_BE_BALANCED` on it is TCP or UDP, whole, and for IPv6 the
 * number is its `Place6`, packed.
 */
export type Finding = i64;
export const ICMP_TO_VIP: Finding = 1;
export const ICMP_TO_OWN: Finding = 2;
export const TO_BE_BALANCED: Finding = 3;

/** Whether the header has neither options nor the marks of a fragment. */
export function isPlain4({ version, ihl, fragment }: IPv4): boolean {
  return version === 4 && ihl === NO_OPTIONS && (fragment & IS_FRAGMENT) === 0;
}

export const inspect4 = noinline((ctx: XdpContext, l3: u32): Finding => {
  const ip = ctx.at(IPv4, l3);
  if (ip?.version !== 4 || ip.ihl < NO_OPTIONS) return done(drop(ctx, Reason.MALFORMED));
  const transport = ip.protocol === IpProtocol.TCP || ip.protocol === IpProtocol.UDP;
  const least = ip.protocol === IpProtocol.TCP ? Tcp.size : Udp.size;
  const whole = ip.totalLength >= ip.ihl * 4 && l3 + ip.totalLength <= ctx.length;
  if (transport && whole && isPlain4(ip) && ip.totalLength >= IPv4.size + least) return TO_BE_BALANCED;
  const isVip = vips4.lookup({ prefixLength: 32, address: ip.dst }) !== null;
  if (!isVip && ip.dst !== source4) return done(pass(ctx, Reason.NOT_OURS));
  if (whole && isPlain4(ip) && ip.protocol === IpProtocol.ICMP) return isVip ? ICMP_TO_VIP : ICMP_TO_OWN;
  if (!isVip) return done(pass(ctx, Reason.NO_ORIGIN));
  if (!whole) return done(drop(ctx, Reason.MALFORMED));
  if ((ip.fragment & IS_FRAGMENT) !== 0) return done(drop(ctx, Reason.FRAGMENT));
  if (ip.ihl !== NO_OPTIONS) return done(drop(ctx, Reason.OPTIONS));
  if (transport) return done(drop(ctx, Reason.MALFORMED));
  return done(drop(ctx, Reason.NO_SERVICE));
});

/** The most extension headers that are looked at. */
const MOST_EXTENSIONS = 4;

export const inspect6 = noinline((ctx: XdpContext, l3: u32): Finding => {
  const ip = ctx.at(IPv6, l3);
  if (ip?.version !== 6) return done(drop(ctx, Reason.MALFORMED));
  const end = l3 + IPv6.size + ip.payloadLength;
  const ours = vips6.lookup({ prefixLength: 128, address: ip.dst }) !== null;
  if (!ours && !ip.dst.equals(source6)) return done(pass(ctx, Reason.NOT_OURS));
  const found = skipExtensions(ctx, ip.nextHeader, l3 + IPv6.size);
  const { protocol, offset } = found;
  const transport = found.reason === NONE && (protocol === IpProtocol.TCP || protocol === IpProtocol.UDP);
  const least = protocol === IpProtocol.TCP ? Tcp.size : Udp.size;
  const whole = end <= ctx.length && offset + least <= end;
  if (transport && whole) return packed({ l3, l4: offset, protocol });
  if (found.reason === NONE && protocol === IpProtocol.ICMPV6 && end <= ctx.length) {
    const icmp = ctx.at(Icmp, offset);
    if (icmp && isDiscovery(icmp)) return done(pass(ctx, Reason.NOT_OURS));
    if (offset === l3 + IPv6.size) return ours ? ICMP_TO_VIP : ICMP_TO_OWN;
  }
  if (!ours) return done(pass(ctx, Reason.NO_ORIGIN));
  if (end > ctx.length) return done(drop(ctx, Reason.MALFORMED));
  if (found.reason !== NONE) return done(drop(ctx, found.reason));
  if (transport) return done(drop(ctx, Reason.MALFORMED));
  return done(drop(ctx, Reason.NO_SERVICE));
});

/** Neighbours and routers looking for each other, us included. */
function isDiscovery({ type }: Icmp): boolean {
  return type >= Icmpv6Type.ROUTER_SOLICITATION && type <= LAST_OF_DISCOVERY;
}
/** Redirect (RFC 4861). */
const LAST_OF_DISCOVERY = 137;

interface Transport {
  protocol: u8;
  offset: u32;
  /** Why there is none; NONE when there is. */
  reason: u32;
}
const NONE = Reason.NOT_OURS;

/** Goes behind extension headers, of which `protocol` is the first, at `offset`. */
function skipExtensions(ctx: XdpContext, first: u8, start: u32): Transport {
  let protocol: u8 = first;
  let offset: u32 = start;
  for (let depth = 0; depth < MOST_EXTENSIONS; depth++) {
    if (!isExtension(protocol)) return { protocol, offset, reason: NONE };
    const extension = ctx.at(Ipv6Extension, offset);
    if (!extension) return { protocol, offset, reason: Reason.MALFORMED };
    if (protocol === IpProtocol.FRAGMENT) {
      const part = ctx.at(Ipv6FragmentHeader, offset);
      // One that is the whole packet is none (RFC 6946).
      if (part?.offset !== 0 || part.more !== 0) return { protocol, offset, reason: Reason.FRAGMENT };
      offset += Ipv6FragmentHeader.size;
    } else {
      // Of routing headers, one that wants to go on elsewhere is none of ours.
      if (protocol === IpProtocol.ROUTING && extension.rest[1] !== 0) return { protocol, offset, reason: Reason.OPTIONS };
      offset += protocol === IpProtocol.AH ? (extension.length + 2) * 4 : (extension.length + 1) * 8;
    }
    protocol = extension.nextHeader;
  }
  return { protocol, offset, reason: isExtension(protocol) ? Reason.OPTIONS : NONE };
}

function isExtension(protocol: u8): boolean {
  switch (protocol) {
    case IpProtocol.HOP_BY_HOP:
    case IpProtocol.ROUTING:
    case IpProtocol.FRAGMENT:
    case IpProtocol.AH:
    case IpProtocol.DESTINATION_OPTIONS:
      return true;
    default:
      return false;
  }
}
