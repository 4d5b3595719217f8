/** IPv4 (RFC 791) and IPv6 (RFC 8200): headers, extension headers, and where the transport header is. */
import { be16, be32, bits, bytes, type Infer, type PacketContext, struct, u8, type u16, u32, viewAs } from "../kernel/index.ts";
import { EtherType } from "./ethernet.ts";

/** Without options: `ihl` times four is where the payload starts. */
export const IPv4 = struct({
  version: bits(4),
  /** Length of the header with its options, in words of four bytes; at least 5. */
  ihl: bits(4),
  tos: u8,
  totalLength: be16,
  id: be16,
  /** Reserved, don't fragment, more fragments (one bit each), then the offset in units of eight bytes (13 bits). */
  fragment: be16,
  ttl: u8,
  protocol: u8,
  checksum: be16,
  src: be32,
  dst: be32,
});
export type IPv4 = Infer<typeof IPv4>;

/** Parts of `IPv4.fragment`. */
export const Ipv4Fragment = { DONT_FRAGMENT: 0x4000, MORE_FRAGMENTS: 0x2000, OFFSET: 0x1fff } as const;

/** An IPv6 address. */
export const ipv6Address = bytes(16);
export type IPv6Address = Infer<typeof ipv6Address>;

/** An IPv6 address as it lies in memory, for arithmetic: `viewAs(ip.src, Ipv6Words)`. */
export const Ipv6Words = struct({ a: u32, b: u32, c: u32, d: u32 });
export type Ipv6Words = Infer<typeof Ipv6Words>;

export const IPv6 = struct({
  version: bits(4),
  trafficClass: bits(8),
  flowLabel: bits(20),
  /** Bytes behind this header, extension headers included. */
  payloadLength: be16,
  /** Protocol of what follows, or an extension header. */
  nextHeader: u8,
  hopLimit: u8,
  src: ipv6Address,
  dst: ipv6Address,
});
export type IPv6 = Infer<typeof IPv6>;

/** How hop-by-hop options, destination options, routing and authentication headers start; all have at least eight bytes. Source: RFC 6564. */
export const Ipv6Extension = struct({
  nextHeader: u8,
  /** In units of eight bytes, the first eight not counted. An authentication header counts fours (RFC 4302). */
  length: u8,
  rest: bytes(6),
});
export type Ipv6Extension = Infer<typeof Ipv6Extension>;

export const Ipv6FragmentHeader = struct({
  nextHeader: u8,
  reserved: u8,
  /** In units of eight bytes. */
  offset: bits(13),
  reserved2: bits(2),
  more: bits(1),
  id: be32,
});
export type Ipv6FragmentHeader = Infer<typeof Ipv6FragmentHeader>;

/** Source: the protocol numbers of IANA. */
export const IpProtocol = {
  /** An IPv6 extension header. */
  HOP_BY_HOP: 0,
  ICMP: 1,
  IPIP: 4,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  /** An IPv6 extension header. */
  ROUTING: 43,
  /** An IPv6 extension header. */
  FRAGMENT: 44,
  GRE: 47,
  ESP: 50,
  AH: 51,
  ICMPV6: 58,
  /** Nothing follows. */
  NO_NEXT_HEADER: 59,
  /** An IPv6 extension header. */
  DESTINATION_OPTIONS: 60,
  SCTP: 132,
} as const;

/** How many extension headers `ipv6Payload` skips; a packet with more of them counts as one of an unknown protocol. */
export const IPV6_MAX_EXTENSIONS = 6;

export interface IpPayload {
  /** One of IpProtocol. */
  protocol: u8;
  /** Where the payload starts: bytes from the start of the packet. */
  offset: u32;
  /**
   * Where this fragment's payload belongs in the whole, in units of eight bytes. Only where it is 0 is there a transport header at
   * `offset`.
   */
  fragment: u16;
}

/**
 * What the IPv4 header at `offset` carries, its options skipped; `null` when it is cut off, or no IPv4 header: another version, or
 * shorter than 20 bytes.
 */
export function ipv4Payload(ctx: PacketContext, offset: u32): IpPayload | null {
  const ip = ctx.at(IPv4, offset);
  if (ip?.version !== 4 || ip.ihl < 5) return null;
  return { protocol: ip.protocol, offset: offset + ip.ihl * 4, fragment: ip.fragment & Ipv4Fragment.OFFSET };
}

/**
 * What the IPv6 header at `offset` carries, its extension headers skipped; `null` when one of them is cut off, or it is no IPv6 header.
 * `protocol` is that of the next extension header where there are more than IPV6_MAX_EXTENSIONS, or the packet is a fragment other than
 * the first, in which the following ones are not.
 */
export function ipv6Payload(ctx: PacketContext, offset: u32): IpPayload | null {
  const ip = ctx.at(IPv6, offset);
  if (ip?.version !== 6) return null;
  let protocol: u8 = ip.nextHeader;
  let next: u32 = offset + IPv6.size;
  for (let depth = 0; depth < IPV6_MAX_EXTENSIONS; depth++) {
    if (!isIpv6Extension(protocol)) break;
    const extension = ctx.at(Ipv6Extension, next);
    if (!extension) return null;
    if (protocol === IpProtocol.FRAGMENT) {
      const part = viewAs(extension, Ipv6FragmentHeader);
      if (part.offset !== 0)
        return { protocol: part.nextHeader, offset: next + Ipv6FragmentHeader.size, fragment: part.offset };
    }
    next += ipv6ExtensionSize(protocol, extension.length);
    protocol = extension.nextHeader;
  }
  return { protocol, offset: next, fragment: 0 };
}

function isIpv6Extension(protocol: u8): boolean {
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

/** In bytes. */
function ipv6ExtensionSize(protocol: u8, length: u8): u32 {
  if (protocol === IpProtocol.AH) return (length + 2) * 4;
  return protocol === IpProtocol.FRAGMENT ? Ipv6FragmentHeader.size : (length + 1) * 8;
}

/** As `ipv4Payload` or `ipv6Payload`, as the EtherType says; `null` for everything else. */
export function ipPayload(ctx: PacketContext, type: be16, offset: u32): IpPayload | null {
  if (type === EtherType.IPv4) return ipv4Payload(ctx, offset);
  if (type === EtherType.IPv6) return ipv6Payload(ctx, offset);
  return null;
}
