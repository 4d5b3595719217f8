/**
 * What the echo server promises, case by case: the definition of the XDP tutorial's packet03 `xdp_icmp_echo`. Every generator is one
 * behaviour. Answers come from `exchangeV4` and `exchangeV6`, which build them whole: nothing here updates a checksum.
 */
import {
  arpRequest,
  changed,
  checksum,
  ECHO_HEADER,
  ETHERNET_HEADER,
  ETHERTYPE,
  type Exchange,
  exchangeV4,
  exchangeV6,
  frame,
  ICMP_TYPE,
  ICMPV6_TYPE,
  IPV4_HEADER,
  IPV6_HEADER,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  join,
  PROTOCOL,
  pattern,
  udp,
  VLAN_TAG,
} from "../packets/index.ts";
import { answered, type Case, passed, SHORTEST } from "./cases.ts";

const { IPV4, IPV6, ARP, VLAN, QINQ } = ETHERTYPE;

export type Family = 4 | 6;

/** Both tags in all orders, by how many there are. */
export const STACKS: readonly (readonly (readonly number[])[])[] = [[[]], stacks(1), stacks(2), stacks(3)];

function stacks(depth: number): number[][] {
  if (depth === 0) return [[]];
  return stacks(depth - 1).flatMap((inner) => [VLAN, QINQ].map((outer) => [outer, ...inner]));
}

function name(tags: readonly number[]): string {
  return tags.length === 0 ? "no tag" : tags.map((type) => (type === VLAN ? "802.1Q" : "802.1ad")).join(" in ");
}

/** Where the ICMP message starts. */
const MESSAGE = { 4: ETHERNET_HEADER + IPV4_HEADER, 6: ETHERNET_HEADER + IPV6_HEADER } as const;

/**
 * Right requests, as many as there are identifiers, with replies whose checksum is computed over all of the message. Between them the
 * requests have every checksum that a right message can have: all but 0xffff, because a sum is only 0 when all its terms are.
 *
 * One buffer serves all, so a case is gone when the next one is asked for.
 */
export function* everyChecksum(family: Family): Generator<Case> {
  const fields = { icmp: { data: pattern(8), id: 0, checksum: 0 } };
  const { request, reply } = family === 4 ? exchangeV4(fields) : exchangeV6(fields);
  const start = MESSAGE[family];
  const afterChecksum = start + 4;
  const sum = (packet: Uint8Array) => {
    if (family === 4) return checksum(packet.subarray(start));
    const addresses = packet.subarray(ETHERNET_HEADER + 8, start);
    return checksum(join(addresses, [0, 0, 0, packet.length - start, 0, 0, 0, PROTOCOL.ICMPV6], packet.subarray(start)));
  };
  for (let id = 0; id <= 0xffff; id++) {
    for (const packet of [request, reply]) {
      packet[start + 2] = packet[start + 3] = 0;
      packet[afterChecksum] = id >> 8;
      packet[afterChecksum + 1] = id & 0xff;
      const right = sum(packet);
      packet[start + 2] = right >> 8;
      packet[start + 3] = right & 0xff;
    }
    yield answered(`id 0x${id.toString(16)}`, { request, reply });
  }
}

/** The checksum of the message in a frame of `everyChecksum`. */
export function checksumIn(packet: Uint8Array, family: Family): number {
  const at = MESSAGE[family] + 2;
  return ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
}

/** [before, after], worked out by hand, with both zeros of one's complement and every carry. */
const EXAMPLES = {
  4: [
    [0x1234, 0x1a34],
    [0xf7ff, 0x0000],
    [0xf800, 0x0001],
    [0xffff, 0x0800],
    [0x0000, 0x0800],
  ],
  6: [
    [0x1234, 0x1134],
    [0x0100, 0x0000],
    [0x0000, 0xfeff],
    [0xffff, 0xfeff],
  ],
} as const;

/** Whatever the checksum is, right or wrong, it changes by what the type changes: a damaged ping stays damaged. */
export function* exampleChecksums(family: Family): Generator<Case> {
  const build = family === 4 ? exchangeV4 : exchangeV6;
  for (const [before, after] of EXAMPLES[family]) {
    const { request } = build({ icmp: { checksum: before } });
    const { reply } = build({ icmp: { checksum: after } });
    yield answered(`checksum 0x${before.toString(16)}`, { request, reply });
  }
}

/** Behind 0, 1 and 2 tags of either kind pings are answered, behind 3 they are not. */
export function* vlanStacks(): Generator<Case> {
  for (const tags of STACKS.flat()) {
    for (const exchange of [exchangeV4({ tags }), exchangeV6({ tags })]) yield onlyBehindTwo(tags, name(tags), exchange);
  }
}

function onlyBehindTwo(tags: readonly number[], what: string, exchange: Exchange): Case {
  return tags.length <= 2 ? answered(what, exchange) : passed(what, exchange.request);
}

/** Cut off anywhere, from an Ethernet header on: answered if type, code and checksum are there; passed, and unchanged, if not. */
export function* truncations(tags: readonly number[]): Generator<Case> {
  const data = { data: pattern(8) };
  const exchanges: [string, number, Exchange][] = [
    ["IPv4", IPV4_HEADER, exchangeV4({ tags, icmp: data })],
    ["IPv4, 4 bytes of options", IPV4_HEADER + 4, exchangeV4({ tags, icmp: data, ip: { ihl: 6 } })],
    ["IPv4, 40 bytes of options", IPV4_HEADER + 40, exchangeV4({ tags, icmp: data, ip: { ihl: 15 } })],
    ["IPv6", IPV6_HEADER, exchangeV6({ tags, icmp: data })],
  ];
  for (const [what, header, { request, reply }] of exchanges) {
    const needed = ETHERNET_HEADER + tags.length * VLAN_TAG + header + 4;
    for (let length = SHORTEST; length <= request.length; length++) {
      const cut = { request: request.subarray(0, length), reply: reply.subarray(0, length) };
      const label = `${what}, ${name(tags)}, ${length} bytes`;
      yield length >= needed ? onlyBehindTwo(tags, label, cut) : passed(label, cut.request);
    }
  }
}

/** Options of every length that a header has room for: 0 to 40 bytes. */
export function* optionLengths(): Generator<Case> {
  for (const tags of [[], [VLAN], [QINQ, VLAN]]) {
    for (let ihl = 5; ihl <= 15; ihl++) {
      // A record route option, as `ping -R` sends it: type 7, length, pointer, addresses.
      const room = (ihl - 5) * 4;
      const options = room === 0 ? [] : [7, room - 1, 4];
      yield answered(`ihl ${ihl}, ${name(tags)}`, exchangeV4({ tags, ip: { ihl, options } }));
    }
  }
}

/** A header that claims less than 20 bytes is none, even when an echo request stands where it claims to end. */
export function* impossibleHeaderLengths(): Generator<Case> {
  for (let ihl = 0; ihl < 5; ihl++) {
    const packet = ipv4(icmp(), { ihl });
    yield passed(`ihl ${ihl}`, frame(IPV4, packet));
    if (ihl > 0) yield passed(`ihl ${ihl}, type 8 there`, frame(IPV4, changed(packet, ihl * 4, ICMP_TYPE.ECHO_REQUEST)));
  }
}

/** A header that claims more than the frame has. */
export function* headersBeyondTheFrame(): Generator<Case> {
  for (let ihl = 6; ihl <= 15; ihl++) {
    const { request } = exchangeV4({ ip: { ihl }, icmp: { data: pattern(0) } });
    yield passed(`ihl ${ihl}`, request.subarray(0, ETHERNET_HEADER + ihl * 4));
    yield passed(`ihl ${ihl}, checksum cut in half`, request.subarray(0, ETHERNET_HEADER + ihl * 4 + 3));
  }
}

/** Only echo requests are answered: type 8, and 128 in ICMPv6. */
export function* messageTypes(): Generator<Case> {
  for (let type = 0; type <= 0xff; type++) {
    if (type !== ICMP_TYPE.ECHO_REQUEST) yield passed(`ICMP type ${type}`, frame(IPV4, ipv4(icmp({ type }))));
    if (type !== ICMPV6_TYPE.ECHO_REQUEST) yield passed(`ICMPv6 type ${type}`, frame(IPV6, ipv6(icmpv6({ type }))));
  }
  yield answered("ICMP type 8", exchangeV4());
  yield answered("ICMPv6 type 128", exchangeV6());
}

/** Nobody looks at the code; it goes back as it came. */
export function* codes(): Generator<Case> {
  for (let code = 0; code <= 0xff; code++) {
    yield answered(`ICMP code ${code}`, exchangeV4({ icmp: { code } }));
    yield answered(`ICMPv6 code ${code}`, exchangeV6({ icmp: { code } }));
  }
}

/**
 * Only ICMP in IPv4 and ICMPv6 in IPv6; what follows looks like a request of either family. Extension headers are protocols here, and
 * are not followed.
 */
export function* protocols(): Generator<Case> {
  for (let protocol = 0; protocol <= 0xff; protocol++) {
    const what = `protocol ${protocol}`;
    if (protocol !== PROTOCOL.ICMP) yield passed(what, frame(IPV4, ipv4(icmp(), { protocol })));
    if (protocol !== PROTOCOL.ICMPV6) yield passed(`next header ${protocol}`, frame(IPV6, ipv6(icmpv6(), protocol)));
    yield passed(`${what}, type 128`, frame(IPV4, ipv4(icmp({ type: ICMPV6_TYPE.ECHO_REQUEST }), { protocol })));
    yield passed(`next header ${protocol}, type 8`, frame(IPV6, ipv6(icmpv6({ type: ICMP_TYPE.ECHO_REQUEST }), protocol)));
  }
}

/** A request behind each kind of extension header (RFC 8200, section 4): padding of 8 bytes, then ICMPv6. */
export function* extensionHeaders(): Generator<Case> {
  for (const [what, type] of [
    ["hop-by-hop options", 0],
    ["routing", 43],
    ["fragment", 44],
    ["destination options", 60],
  ] as const) {
    const header = [PROTOCOL.ICMPV6, 0, 1, 4, 0, 0, 0, 0];
    yield passed(what, frame(IPV6, ipv6(join(header, icmpv6()), type)));
  }
}

/** Fragments are not looked at: what begins like a request is answered like one. */
export function* fragments(): Generator<Case> {
  for (const [what, fragment] of [
    ["may be fragmented", 0x0000],
    ["don't fragment", 0x4000],
    ["first fragment", 0x2000],
    ["middle fragment", 0x2001],
    ["last fragment", 0x1fff],
    ["reserved bit", 0x8000],
  ] as const) {
    yield answered(what, exchangeV4({ ip: { fragment } }));
  }
}

/** Of all 65,536 EtherTypes, one leads to an IPv4 header, and one to an IPv6 header. One buffer serves all. */
export function* etherTypes(family: Family): Generator<Case> {
  const { request, reply } = (family === 4 ? exchangeV4 : exchangeV6)({ icmp: { data: pattern(0) } });
  for (let type = 0; type <= 0xffff; type++) {
    request[12] = type >> 8;
    request[13] = type & 0xff;
    const what = `EtherType 0x${type.toString(16)}`;
    yield type === (family === 4 ? IPV4 : IPV6) ? answered(what, { request, reply }) : passed(what, request);
  }
}

/** What is no ping: ARP, UDP, neighbour discovery, each family under the other's type, and frames that say nothing. */
export function* others(): Generator<Case> {
  yield passed("ARP", arpRequest());
  yield passed("ARP behind a tag", frame(ARP, pattern(28), [VLAN]));
  yield passed("UDP", frame(IPV4, ipv4(udp(pattern(32)), { protocol: PROTOCOL.UDP })));
  yield passed("neighbour solicitation", frame(IPV6, ipv6(icmpv6({ type: ICMPV6_TYPE.NEIGHBOUR_SOLICITATION }))));
  yield passed("an IPv4 ping under an unknown type", frame(0x1234, ipv4(icmp())));
  yield passed("an IPv6 ping under an unknown type", frame(0x1234, ipv6(icmpv6())));
  yield passed("IPv4 as IPv6", frame(IPV6, ipv4(icmp())));
  yield passed("IPv6 as IPv4", frame(IPV4, ipv6(icmpv6())));
  yield passed("802.3 length instead of a type", frame(0x002e, pattern(46)));
  yield passed("an obsolete provider's tag", frame(0x9100, join([0, 1], [0x08, 0x00], ipv4(icmp()))));
  yield passed("zeros", new Uint8Array(60));
}

/** Everything else goes back as it came. */
export function* unchangedFields(): Generator<Case> {
  for (const value of [0, 1, 2, 63, 64, 127, 128, 254, 255]) {
    yield answered(`TTL ${value}`, exchangeV4({ ip: { ttl: value } }));
    yield answered(`hop limit ${value}`, exchangeV6({ ip: { hopLimit: value } }));
    yield answered(`TOS ${value}`, exchangeV4({ ip: { tos: value } }));
    yield answered(`traffic class ${value}`, exchangeV6({ ip: { trafficClass: value } }));
  }
  for (const value of [0, 1, 0xff, 0x100, 0x7fff, 0x8000, 0xffff]) {
    yield answered(`IPv4 id ${value}`, exchangeV4({ ip: { id: value } }));
    yield answered(`flow label ${value}`, exchangeV6({ ip: { flowLabel: value } }));
    yield answered(`ICMP id and sequence ${value}`, exchangeV4({ icmp: { id: value, sequence: 0xffff - value } }));
    yield answered(`ICMPv6 id and sequence ${value}`, exchangeV6({ icmp: { id: value, sequence: 0xffff - value } }));
  }
}

/** Nobody looks at the IP version: the EtherType has told. The frame is the ping's but for these four bits. */
export function* versions(): Generator<Case> {
  const alter = ({ request, reply }: Exchange, version: number): Exchange => {
    const low = (request[ETHERNET_HEADER] ?? 0) & 0xf;
    const byte = (version << 4) | low;
    return { request: changed(request, ETHERNET_HEADER, byte), reply: changed(reply, ETHERNET_HEADER, byte) };
  };
  for (let version = 0; version <= 0xf; version++) {
    yield answered(`version ${version} as IPv4`, alter(exchangeV4(), version));
    yield answered(`version ${version} as IPv6`, alter(exchangeV6(), version));
  }
}

/** From no data at all to the largest frame of an Ethernet, and beyond. */
export function* sizes(): Generator<Case> {
  const lengths = [...Array(65).keys(), 1000, 1452 - ECHO_HEADER, 1472, 3000];
  for (const length of lengths) {
    const fields = { icmp: { data: pattern(length) } };
    yield answered(`IPv4, ${length} bytes of data`, exchangeV4(fields));
    yield answered(`IPv6, ${length} bytes of data`, exchangeV6(fields));
  }
}

/** Some hundreds of packets, of every kind but the exhaustive ones. */
export function* everyKind(): Generator<Case> {
  yield* exampleChecksums(4);
  yield* exampleChecksums(6);
  yield* vlanStacks();
  for (const tags of [[], [VLAN], [QINQ, VLAN], [VLAN, VLAN, VLAN]]) yield* truncations(tags);
  yield* optionLengths();
  yield* impossibleHeaderLengths();
  yield* headersBeyondTheFrame();
  yield* extensionHeaders();
  yield* fragments();
  yield* others();
  yield* unchangedFields();
  yield* versions();
  yield* sizes();
}
