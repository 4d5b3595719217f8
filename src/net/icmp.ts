/** ICMP (RFC 792) and ICMPv6 (RFC 4443): both start alike. */
import { be16, type Infer, struct, u8 } from "../kernel/index.ts";

/** What every ICMP and ICMPv6 message starts with. */
export const Icmp = struct({ type: u8, code: u8, checksum: be16 });
export type Icmp = Infer<typeof Icmp>;

/** An echo request or reply of either family. */
export const IcmpEcho = struct({ type: u8, code: u8, checksum: be16, id: be16, sequence: be16 });
export type IcmpEcho = Infer<typeof IcmpEcho>;

export const IcmpType = { ECHO_REPLY: 0, DESTINATION_UNREACHABLE: 3, ECHO_REQUEST: 8, TIME_EXCEEDED: 11 } as const;

export const Icmpv6Type = { PACKET_TOO_BIG: 2, TIME_EXCEEDED: 3, ECHO_REQUEST: 128, ECHO_REPLY: 129 } as const;
