/**
 * Pings as whole frames, and their answers. An answer is not made from its request: it is built from the same fields with the two
 * ends exchanged, and its checksums are computed over all of it.
 */
import { ETHERTYPE, frame } from "./ethernet.ts";
import { HOST, PEER } from "./hosts.ts";
import { ICMP_TYPE, ICMPV6_TYPE, type IcmpFields, icmp, icmpv6 } from "./icmp.ts";
import { type Ipv4Fields, type Ipv6Fields, ipv4, ipv6, PROTOCOL } from "./ip.ts";

export interface PingFields {
  tags?: readonly number[];
  icmp?: IcmpFields;
}

export interface Exchange {
  request: Uint8Array;
  /** What the one who was asked sends back, if nothing but what has to differ from the request does. */
  reply: Uint8Array;
}

const THERE = { from: PEER, to: HOST };
const BACK = { from: HOST, to: PEER };

export function exchangeV4(fields: PingFields & { ip?: Ipv4Fields } = {}): Exchange {
  const build = (type: number, direction: typeof THERE) => {
    const packet = ipv4(icmp({ ...fields.icmp, type }), { ...fields.ip, ...direction });
    return frame(ETHERTYPE.IPV4, packet, fields.tags, direction);
  };
  return { request: build(ICMP_TYPE.ECHO_REQUEST, THERE), reply: build(ICMP_TYPE.ECHO_REPLY, BACK) };
}

export function exchangeV6(fields: PingFields & { ip?: Ipv6Fields } = {}): Exchange {
  const build = (type: number, direction: typeof THERE) => {
    const packet = ipv6(icmpv6({ ...fields.icmp, ...direction, type }), PROTOCOL.ICMPV6, { ...fields.ip, ...direction });
    return frame(ETHERTYPE.IPV6, packet, fields.tags, direction);
  };
  return { request: build(ICMPV6_TYPE.ECHO_REQUEST, THERE), reply: build(ICMPV6_TYPE.ECHO_REPLY, BACK) };
}

export const pingV4 = (tags: readonly number[] = []): Uint8Array => exchangeV4({ tags }).request;
export const pingV6 = (tags: readonly number[] = []): Uint8Array => exchangeV6({ tags }).request;
