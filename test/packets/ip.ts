/** IPv4 (RFC 791) and IPv6 (RFC 8200) packets. */
import { join, u16 } from "./bytes.ts";
import { checksum } from "./checksum.ts";
import type { Direction } from "./ethernet.ts";
import { HOST, PEER } from "./hosts.ts";

export const PROTOCOL = { HOP_BY_HOP: 0, ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, DESTINATION_OPTIONS: 60 } as const;

/** Bytes, without options. */
export const IPV4_HEADER = 20;
export const IPV6_HEADER = 40;

const NO_OPERATION = 1;

export interface Ipv4Fields extends Direction {
  protocol?: number;
  /** In words of four bytes. More than 5: that many words of options. Less than 5: a lie in a header of 20 bytes. */
  ihl?: number;
  /** The options; shorter ones are filled up with no-operation options, as all are when none are given. */
  options?: ArrayLike<number>;
  tos?: number;
  id?: number;
  /** Flags and fragment offset. */
  fragment?: number;
  ttl?: number;
}

export function ipv4(payload: Uint8Array, fields: Ipv4Fields = {}): Uint8Array {
  const {
    protocol = PROTOCOL.ICMP,
    ihl = 5,
    tos = 0,
    id = 0x1234,
    fragment = 0x4000,
    ttl = 64,
    from = PEER,
    to = HOST,
  } = fields;
  const options = new Uint8Array(Math.max(0, ihl - 5) * 4).fill(NO_OPERATION);
  options.set(fields.options ?? []);
  const length = IPV4_HEADER + options.length + payload.length;
  const start = [0x40 | ihl, tos, ...u16(length), ...u16(id), ...u16(fragment), ttl, protocol];
  const end = join(from.ipv4, to.ipv4, options);
  return join(start, u16(checksum(join(start, [0, 0], end))), end, payload);
}

export interface Ipv6Fields extends Direction {
  trafficClass?: number;
  flowLabel?: number;
  hopLimit?: number;
}

export function ipv6(payload: Uint8Array, nextHeader: number = PROTOCOL.ICMPV6, fields: Ipv6Fields = {}): Uint8Array {
  const { trafficClass = 0, flowLabel = 0xabcde, hopLimit = 64, from = PEER, to = HOST } = fields;
  const first = [0x60 | (trafficClass >> 4), ((trafficClass & 0xf) << 4) | (flowLabel >> 16), ...u16(flowLabel & 0xffff)];
  return join(first, u16(payload.length), [nextHeader, hopLimit], from.ipv6, to.ipv6, payload);
}
