/** The part of the corpus that is about who sends and what stands between: other networks, backends' answers, IPv6 extension headers. */
import {
  ETHERTYPE,
  HOST,
  type Host,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  join,
  PEER,
  PROTOCOL,
  pattern,
  tcp,
  u16,
  udp,
} from "../test/packets/index.ts";

const { IPV4, IPV6 } = ETHERTYPE;
const { TCP, UDP, ICMPV6 } = PROTOCOL;
const [ROUTING, FRAGMENT, ESP, AUTHENTICATION, NONE] = [43, 44, 50, 51, 59];

type Payload = [type: number, payload: Uint8Array];

/** Where a network begins and ends, and next to it. */
const EDGES = [0, 1, 63, 64, 127, 128, 191, 192, 255];

export function* senders(): Generator<Payload> {
  for (const [a, b, c] of [
    [192, 0, 2],
    [192, 0, 3],
    [198, 51, 100],
    [198, 51, 101],
    [0, 0, 0],
    [255, 255, 255],
  ] as const) {
    for (const last of EDGES) yield* overIpv4({ ...PEER, ipv4: [a, b, c, last] }, HOST, { destinationPort: 80 });
  }
  for (const second of [0x0d, 0x0e]) {
    for (const third of EDGES) {
      const from = { ...PEER, ipv6: [0x20, 0x01, second, third, ...new Array<number>(12).fill(third)] };
      yield [IPV6, ipv6(tcp(pattern(4), { destinationPort: 80 }), TCP, { from })];
      yield [IPV6, ipv6(icmpv6(), ICMPV6, { from })];
    }
  }
}

/** From hosts that look like the balancer's backends, to the client who is everywhere else in the corpus. */
export function* answers(): Generator<Payload> {
  for (let backend = 0; backend < 8; backend++) {
    const from = { ...HOST, ipv4: [192, 168, 0, backend] };
    for (const destinationPort of [40_000, 80, 81, 1, 0xffff]) {
      for (const sourcePort of [8080, 8081]) yield* overIpv4(from, PEER, { sourcePort, destinationPort });
    }
  }
}

/** Extension headers in front of TCP, UDP and ICMP: one, several, too many, cut off, lying about their length. */
export function* extensions(): Generator<Payload> {
  const web = tcp(pattern(24), { destinationPort: 80 });
  const dns = udp(pattern(24), { destinationPort: 53 });
  for (const [protocol, payload] of [
    [TCP, web],
    [UDP, dns],
    [ICMPV6, icmpv6()],
    [ESP, pattern(24)],
    [NONE, pattern(0)],
  ] as const) {
    for (const header of [PROTOCOL.HOP_BY_HOP, PROTOCOL.DESTINATION_OPTIONS, ROUTING, AUTHENTICATION]) {
      for (const length of [0, 1, 2, 4, 0x7f, 0xff]) {
        yield [IPV6, ipv6(join([protocol, length], pattern(6 + 8 * (length % 8)), payload), header)];
        yield [IPV6, ipv6(join([protocol, length], pattern(2 + 4 * (length % 8)), payload), header)];
      }
    }
    for (const offset of [0, 1, 6, 7, 8, 9, 0x10, 0xfff8, 0xffff]) {
      yield [IPV6, ipv6(join([protocol, 0], u16(offset), [1, 2, 3, 4], payload), FRAGMENT)];
      const behind = join([FRAGMENT, 0], pattern(6), [protocol, 0], u16(offset), [1, 2, 3, 4], payload);
      yield [IPV6, ipv6(behind, PROTOCOL.HOP_BY_HOP)];
    }
    for (let count = 1; count <= 9; count++) {
      const chain = Array.from({ length: count }, (_, index) =>
        join([index === count - 1 ? protocol : PROTOCOL.DESTINATION_OPTIONS, 0], pattern(6)),
      );
      yield [IPV6, ipv6(join(...chain, payload), PROTOCOL.DESTINATION_OPTIONS)];
    }
  }
}

/** Payloads to be cut off at every byte. */
export function cutOffExtensions(): Payload[] {
  const web = tcp(pattern(4), { destinationPort: 80 });
  const options = join([FRAGMENT, 1], pattern(14), [TCP, 0, 0, 1, 1, 2, 3, 4], web);
  return [[IPV6, ipv6(options, PROTOCOL.HOP_BY_HOP)]];
}

function* overIpv4(from: Host, to: Host, ports: { sourcePort?: number; destinationPort: number }): Generator<Payload> {
  const data = pattern(8);
  yield [IPV4, ipv4(tcp(data, ports), { protocol: TCP, from, to })];
  yield [IPV4, ipv4(udp(data, ports), { protocol: UDP, from, to })];
  yield [IPV4, ipv4(icmp(), { from, to })];
}
