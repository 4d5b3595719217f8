/** IPv4 (RFC 791) and IPv6 (RFC 8200) headers. */
import { be16, be32, bits, bytes, type Infer, struct, u8 } from "../kernel/index.ts";

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

/** An IPv6 address. */
export const ipv6Address = bytes(16);
export type IPv6Address = Infer<typeof ipv6Address>;

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

/** Source: the protocol numbers of IANA. */
export const IpProtocol = {
  ICMP: 1,
  IPIP: 4,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  GRE: 47,
  ICMPV6: 58,
} as const;
