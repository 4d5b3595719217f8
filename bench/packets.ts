/** Frames for measuring and comparing, built field by field: what is not said is a plain ping between two hosts. */

export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd, QINQ: 0x88a8 } as const;
export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, DESTINATION_OPTIONS: 60 } as const;
export const ICMP_TYPE = { ECHO_REPLY: 0, UNREACHABLE: 3, ECHO_REQUEST: 8 } as const;
export const ICMPV6_TYPE = { ECHO_REQUEST: 128, ECHO_REPLY: 129 } as const;

const MAC = { host: [0x02, 0x11, 0x22, 0x33, 0x44, 0x55], peer: [0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee] };
const ADDRESS4 = { host: [10, 11, 1, 1], peer: [10, 11, 1, 2] };
const ADDRESS6 = {
  host: [0xfc, 0, 0xde, 0xad, 0xca, 0xfe, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
  peer: [0xfe, 0x80, ...new Array(13).fill(0), 7],
};

/** An Ethernet frame with VLAN tags of these types, from the outermost in. */
export function frame(type: number, payload: Uint8Array, tags: readonly number[] = []): Uint8Array {
  const types = [...tags, type];
  const tagged = types.flatMap((each, depth) => (depth === 0 ? u16(each) : [...u16(0x2000 + depth), ...u16(each)]));
  return join(MAC.host, MAC.peer, tagged, payload);
}

export interface Ipv4Options {
  protocol?: number;
  /** In words of four bytes. More than 5: that many words of no-operation options. Less than 5: a lie in a header of 20 bytes. */
  ihl?: number;
  /** Flags and fragment offset. */
  fragment?: number;
}

export function ipv4(
  payload: Uint8Array,
  { protocol = PROTOCOL.ICMP, ihl = 5, fragment = 0x4000 }: Ipv4Options = {},
): Uint8Array {
  const options = new Uint8Array(Math.max(0, ihl - 5) * 4).fill(1);
  const length = 20 + options.length + payload.length;
  const start = [0x40 | ihl, 0, ...u16(length), ...u16(0x1234), ...u16(fragment), 64, protocol];
  const end = join(ADDRESS4.peer, ADDRESS4.host, options);
  return join(start, u16(checksum(join(start, end))), end, payload);
}

export function ipv6(payload: Uint8Array, nextHeader: number = PROTOCOL.ICMPV6): Uint8Array {
  return join([0x60, 0x0a, 0xbc, 0xde, ...u16(payload.length), nextHeader, 64], ADDRESS6.peer, ADDRESS6.host, payload);
}

export interface EchoOptions {
  type?: number;
  code?: number;
  /** Instead of the right one. */
  checksum?: number;
  data?: Uint8Array;
}

/** An ICMP message, an echo request with 56 bytes of data as ping sends it. */
export function icmp({ type = ICMP_TYPE.ECHO_REQUEST, code = 0, data = pattern(56), ...rest }: EchoOptions = {}): Uint8Array {
  const body = join([0x12, 0x34, 0, 1], data);
  return join([type, code], u16(rest.checksum ?? checksum(join([type, code], body))), body);
}

/** The same in ICMPv6, whose checksum covers the addresses (RFC 4443, section 2.3). */
export function icmpv6({
  type = ICMPV6_TYPE.ECHO_REQUEST,
  code = 0,
  data = pattern(56),
  ...rest
}: EchoOptions = {}): Uint8Array {
  const body = join([0x12, 0x34, 0, 1], data);
  const pseudo = join(ADDRESS6.peer, ADDRESS6.host, [0, 0, ...u16(4 + body.length), 0, 0, 0, PROTOCOL.ICMPV6]);
  return join([type, code], u16(rest.checksum ?? checksum(join(pseudo, [type, code], body))), body);
}

export const pingV4 = (tags: readonly number[] = []): Uint8Array => frame(ETHERTYPE.IPV4, ipv4(icmp()), tags);
export const pingV6 = (tags: readonly number[] = []): Uint8Array => frame(ETHERTYPE.IPV6, ipv6(icmpv6()), tags);

/** Bytes that are all different, so that a misplaced one shows. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + 3) & 0xff);
}

/** RFC 1071, word by word. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function u16(value: number): number[] {
  return [value >> 8, value & 0xff];
}

function join(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
