/** ICMP (RFC 792) and ICMPv6 (RFC 4443) messages, echo requests unless something else is said. */
import { join, pattern, u16 } from "./bytes.ts";
import { checksum } from "./checksum.ts";
import type { Direction } from "./ethernet.ts";
import { HOST, PEER } from "./hosts.ts";
import { PROTOCOL } from "./ip.ts";

export const ICMP_TYPE = { ECHO_REPLY: 0, UNREACHABLE: 3, ECHO_REQUEST: 8 } as const;
export const ICMPV6_TYPE = { ECHO_REQUEST: 128, ECHO_REPLY: 129, NEIGHBOUR_SOLICITATION: 135 } as const;

/** Bytes: type, code, checksum, identifier, sequence number. */
export const ECHO_HEADER = 8;

export interface IcmpFields {
  type?: number;
  code?: number;
  id?: number;
  sequence?: number;
  /** Default: 56 bytes, as many as ping sends. */
  data?: Uint8Array;
  /** Instead of the right one. */
  checksum?: number;
}

export function icmp({ type = ICMP_TYPE.ECHO_REQUEST, ...fields }: IcmpFields = {}): Uint8Array {
  return message(type, fields, new Uint8Array());
}

/** The same in ICMPv6, whose checksum covers the addresses as well (RFC 4443, section 2.3). */
export function icmpv6(fields: IcmpFields & Direction = {}): Uint8Array {
  const { type = ICMPV6_TYPE.ECHO_REQUEST, data = pattern(56), from = PEER, to = HOST } = fields;
  const length = ECHO_HEADER + data.length;
  return message(type, fields, join(from.ipv6, to.ipv6, [0, 0, ...u16(length), 0, 0, 0, PROTOCOL.ICMPV6]));
}

/** `covered`: what the checksum covers besides the message. */
function message(type: number, fields: IcmpFields, covered: Uint8Array): Uint8Array {
  const { code = 0, id = 0x1234, sequence = 1, data = pattern(56) } = fields;
  const body = join(u16(id), u16(sequence), data);
  const sum = fields.checksum ?? checksum(join(covered, [type, code, 0, 0], body));
  return join([type, code], u16(sum), body);
}
