/** The part of the corpus that is about TCP and UDP: ports, lengths, checksums, and headers that lie. */
import { changed, ETHERTYPE, ipv4, ipv6, join, PROTOCOL, pattern, tcp, u16, udp } from "../test/packets/index.ts";

const { IPV4, IPV6 } = ETHERTYPE;
const { TCP, UDP } = PROTOCOL;

type Payload = [type: number, payload: Uint8Array];

/** Where bytes carry, and around the port that is filtered. */
const PORTS = [0, 1, 79, 80, 81, 0x00ff, 0x0100, 0x5000, 0x5050, 0x7fff, 0x8000, 0xff00, 0xffff];
/** Where one's complement sums carry, do not carry, and have two zeros. */
const CHECKSUMS = [0, 1, 2, 0xff, 0x100, 0x1aff, 0x7fff, 0x8000, 0xfeff, 0xff00, 0xfffd, 0xfffe, 0xffff];
/** Of the UDP header. */
const [LENGTH_AT, CHECKSUM_AT] = [4, 6];

export function* transport(): Generator<Payload> {
  const data = pattern(24);
  for (const port of PORTS) {
    for (const ports of [{ destinationPort: port }, { sourcePort: port }, { sourcePort: port, destinationPort: port }]) {
      yield* overBoth(TCP, tcp(data, ports));
      yield* overBoth(UDP, udp(data, ports));
    }
    // Ports under another protocol are none, and TCP's header under UDP's number is another.
    yield* overBoth(PROTOCOL.ICMP, tcp(data, { destinationPort: port }));
    yield* overBoth(UDP, tcp(data, { destinationPort: port }));
    for (const sum of CHECKSUMS) {
      yield* overBoth(TCP, tcp(data, { destinationPort: port, checksum: sum }));
      yield* overBoth(UDP, withWord(udp(data, { destinationPort: port }), CHECKSUM_AT, sum));
    }
  }
  for (let dataOffset = 0; dataOffset <= 15; dataOffset++) {
    for (const length of [0, 1, 24, 39, 40, 60])
      yield* overBoth(TCP, tcp(pattern(length), { dataOffset, destinationPort: 80 }));
  }
  for (const length of [0, 1, 7, 8, 9, 32, 0x0700, 0x0800, 0xffff])
    yield* overBoth(UDP, withWord(udp(data), LENGTH_AT, length));
  const [web, dns] = [tcp(data, { destinationPort: 80 }), udp(data, { destinationPort: 53 })];
  for (let ihl = 0; ihl <= 15; ihl++) {
    yield [IPV4, ipv4(web, { protocol: TCP, ihl })];
    yield [IPV4, ipv4(dns, { protocol: UDP, ihl })];
  }
  for (let bit = 0; bit < 16; bit++) {
    yield [IPV4, ipv4(web, { protocol: TCP, fragment: 1 << bit })];
    yield [IPV4, ipv4(dns, { protocol: UDP, fragment: 1 << bit })];
  }
  for (const fragment of [0, 0x3fff, 0x1fff, 0xe000, 0xffff]) yield [IPV4, ipv4(web, { protocol: TCP, fragment })];
  for (let version = 0; version <= 0xf; version++) yield [IPV4, changed(ipv4(web, { protocol: TCP }), 0, (version << 4) | 5)];
}

/** Payloads to be cut off at every byte. */
export function cutOffTransport(): Payload[] {
  const [web, dns] = [tcp(pattern(24), { dataOffset: 8, destinationPort: 80 }), udp(pattern(8), { destinationPort: 80 })];
  return [
    ...overBoth(TCP, web),
    ...overBoth(UDP, dns),
    [IPV4, ipv4(web, { protocol: TCP, ihl: 7 })],
    [IPV4, ipv4(dns, { protocol: UDP, ihl: 15 })],
  ];
}

/** The checksums are IPv4's: the programs update them, and do not ask whether they were right. */
function overBoth(protocol: number, payload: Uint8Array): Payload[] {
  return [
    [IPV4, ipv4(payload, { protocol })],
    [IPV6, ipv6(payload, protocol)],
  ];
}

function withWord(bytes: Uint8Array, at: number, word: number): Uint8Array {
  return join(bytes.subarray(0, at), u16(word), bytes.subarray(at + 2));
}
