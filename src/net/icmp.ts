/** ICMP (RFC 792), ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861): all start alike. */
import { be16, be32, type Infer, struct, u8 } from "../kernel/index.ts";
import { ipv6Address } from "./ip.ts";

/** What every ICMP and ICMPv6 message starts with. */
export const Icmp = struct({ type: u8, code: u8, checksum: be16 });
export type Icmp = Infer<typeof Icmp>;

/** An echo request or reply of either family. */
export const IcmpEcho = struct({ type: u8, code: u8, checksum: be16, id: be16, sequence: be16 });
export type IcmpEcho = Infer<typeof IcmpEcho>;

/** An error of IPv4; the packet that it is about follows. `mtu` is that of the next hop where fragmentation was needed (RFC 1191). */
export const IcmpError = struct({ type: u8, code: u8, checksum: be16, unused: be16, mtu: be16 });
export type IcmpError = Infer<typeof IcmpError>;

/** An error of IPv6; the packet that it is about follows. `parameter` is the MTU of PACKET_TOO_BIG. */
export const Icmpv6Error = struct({ type: u8, code: u8, checksum: be16, parameter: be32 });
export type Icmpv6Error = Infer<typeof Icmpv6Error>;

/** A neighbour solicitation or advertisement, without options. */
export const Icmpv6Neighbor = struct({ type: u8, code: u8, checksum: be16, flags: be32, target: ipv6Address });
export type Icmpv6Neighbor = Infer<typeof Icmpv6Neighbor>;

export const IcmpType = {
  ECHO_REPLY: 0,
  DESTINATION_UNREACHABLE: 3,
  REDIRECT: 5,
  ECHO_REQUEST: 8,
  TIME_EXCEEDED: 11,
  PARAMETER_PROBLEM: 12,
} as const;

export const Icmpv6Type = {
  DESTINATION_UNREACHABLE: 1,
  PACKET_TOO_BIG: 2,
  TIME_EXCEEDED: 3,
  PARAMETER_PROBLEM: 4,
  ECHO_REQUEST: 128,
  ECHO_REPLY: 129,
  ROUTER_SOLICITATION: 133,
  ROUTER_ADVERTISEMENT: 134,
  NEIGHBOR_SOLICITATION: 135,
  NEIGHBOR_ADVERTISEMENT: 136,
} as const;
