/** Packets on which two programs should agree: every kind that one of them tells apart, whole and cut off at every byte, behind 0 to 3 VLAN tags. */
import {
  changed,
  ETHERTYPE,
  frame,
  HOST,
  ICMP_TYPE,
  ICMPV6_TYPE,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  PEER,
  PROTOCOL,
  pattern,
  pingV4,
} from "../test/packets/index.ts";
import { destinations } from "./corpus-destinations.ts";
import { answers, cutOffExtensions, extensions, senders } from "./corpus-senders.ts";
import { cutOffTransport, transport } from "./corpus-transport.ts";

const { IPV4, IPV6, ARP, VLAN, QINQ } = ETHERTYPE;

const TAGS: readonly (readonly number[])[] = [[], [VLAN], [QINQ], [QINQ, VLAN], [VLAN, QINQ], [VLAN, VLAN], [QINQ, VLAN, VLAN]];

/** What BPF_PROG_TEST_RUN takes at least: an Ethernet header. */
export const SHORTEST = 14;

/** All of them, some thousands. */
export function* corpus(): Generator<Uint8Array> {
  yield* strangers();
  yield* destinations();
  const others = [...senders(), ...answers(), ...extensions()];
  for (const tags of TAGS) {
    for (const [type, payload] of [...payloads(), ...transport(), ...others]) yield frame(type, payload, tags);
    for (const [type, payload] of [...cutOff(), ...cutOffTransport(), ...cutOffExtensions()]) {
      const whole = frame(type, payload, tags);
      for (let length = SHORTEST; length < whole.length; length++) yield whole.subarray(0, length);
    }
  }
}

/** Other hosts' packets: MAC addresses that differ in one bit from one that is known. */
function* strangers(): Generator<Uint8Array> {
  const ping = pingV4();
  for (let at = 0; at < 12; at++) {
    for (let bit = 0; bit < 8; bit++) yield changed(ping, at, (ping[at] ?? 0) ^ (1 << bit));
  }
  for (const mac of [HOST.mac, [0, 0, 0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
    yield frame(IPV4, ipv4(icmp()), [], { from: { ...PEER, mac }, to: HOST });
    yield frame(IPV4, ipv4(icmp()), [], { from: PEER, to: { ...HOST, mac } });
  }
}

function* payloads(): Generator<[type: number, payload: Uint8Array]> {
  for (let ihl = 0; ihl <= 15; ihl++) {
    yield [IPV4, ipv4(icmp(), { ihl })];
    yield [IPV4, ipv4(icmp({ type: ICMP_TYPE.ECHO_REPLY }), { ihl })];
  }
  // A header that claims to end within itself, where what follows reads as an echo request.
  for (let ihl = 1; ihl < 5; ihl++) yield [IPV4, changed(ipv4(icmp(), { ihl }), ihl * 4, ICMP_TYPE.ECHO_REQUEST)];
  // Nobody looks at the version: the EtherType has told.
  for (let version = 0; version <= 0xf; version++) {
    yield [IPV4, changed(ipv4(icmp()), 0, (version << 4) | 5)];
    yield [IPV6, changed(ipv6(icmpv6()), 0, version << 4)];
  }
  for (let type = 0; type <= 0xff; type++) {
    yield [IPV4, ipv4(icmp({ type }))];
    yield [IPV6, ipv6(icmpv6({ type }))];
  }
  for (let protocol = 0; protocol <= 0xff; protocol++) {
    yield [IPV4, ipv4(icmp(), { protocol })];
    yield [IPV4, ipv4(icmpv6(), { protocol })];
    yield [IPV6, ipv6(icmpv6(), protocol)];
    yield [IPV6, ipv6(icmp(), protocol)];
  }
  for (const code of [1, 0x7f, 0xff]) {
    yield [IPV4, ipv4(icmp({ code }))];
    yield [IPV6, ipv6(icmpv6({ code }))];
  }
  for (const length of [0, 1, 2, 3, 1400, 3000]) {
    yield [IPV4, ipv4(icmp({ data: pattern(length) }))];
    yield [IPV6, ipv6(icmpv6({ data: pattern(length) }))];
  }
  // Where one's complement sums carry, do not carry, and have two zeros.
  for (const checksum of [0, 1, 0xf7, 0xff, 0x100, 0x7ff, 0x800, 0x7fff, 0xf7ff, 0xf800, 0xfeff, 0xff00, 0xfffe, 0xffff]) {
    yield [IPV4, ipv4(icmp({ checksum }))];
    yield [IPV6, ipv6(icmpv6({ checksum }))];
  }
  for (const fragment of [0, 0x2000, 0x2001, 0x1fff]) yield [IPV4, ipv4(icmp(), { fragment })];
  for (const type of [ARP, 0, 0x0008, 0x88cc, 0x9100, 0xdd86, 0xffff]) yield [type, ipv4(icmp())];
  // Each family's packet under the other's type.
  yield [IPV6, ipv4(icmp())];
  yield [IPV4, ipv6(icmpv6())];
  yield [IPV4, ipv4(icmp({ type: ICMPV6_TYPE.ECHO_REQUEST }))];
  yield [IPV6, ipv6(icmpv6({ type: ICMP_TYPE.ECHO_REQUEST }))];
}

function cutOff(): [type: number, payload: Uint8Array][] {
  return [
    [IPV4, ipv4(icmp({ data: pattern(8) }))],
    [IPV4, ipv4(icmp({ data: pattern(8) }), { ihl: 6 })],
    [IPV4, ipv4(icmp({ data: pattern(8) }), { ihl: 15 })],
    [IPV4, ipv4(pattern(20), { protocol: PROTOCOL.TCP })],
    [IPV6, ipv6(icmpv6({ data: pattern(8) }))],
    [IPV6, ipv6(pattern(24), PROTOCOL.DESTINATION_OPTIONS)],
  ];
}
