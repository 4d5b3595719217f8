/** The part of the corpus that is about where packets go, and how far they still may: for programs that route. */
import {
  changed,
  ETHERTYPE,
  frame,
  type Host,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  PROTOCOL,
  pattern,
  pingV6,
} from "../test/packets/index.ts";
import { hostIn, NETWORKS, type Network, SENDER } from "./network.ts";

const { IPV4, IPV6 } = ETHERTYPE;
/** Around where the hops run out, and where their byte carries. */
const HOPS = [0, 1, 2, 3, 0x7f, 0x80, 0xff];
/** Of the IPv4 header, from the start of the frame. */
const CHECKSUM_AT = 24;

export function* destinations(): Generator<Uint8Array> {
  for (const network of Object.keys(NETWORKS) as Network[]) {
    const host = hostIn(network);
    for (const to of [host, { ...host, ipv4: host.ipv4.with(3, 9), ipv6: host.ipv6.with(15, 9) }]) {
      for (const hops of HOPS) yield* bothFamilies(to, hops, pattern(8));
      // Around the link's MTU, with the headers.
      for (const length of [1443, 1444, 1452, 1453, 1471, 1472, 1473]) yield* bothFamilies(to, 64, pattern(length));
    }
  }
  yield pingV6(); // from an address that is good on its link only
  const ping = frame(IPV4, ipv4(icmp()));
  for (const high of [0, 1, 0x7f, 0xfd, 0xfe, 0xff]) {
    for (const low of [0, 1, 0xfe, 0xff]) yield changed(changed(ping, CHECKSUM_AT, high), CHECKSUM_AT + 1, low);
  }
}

function* bothFamilies(to: Host, hops: number, data: Uint8Array): Generator<Uint8Array> {
  yield frame(IPV4, ipv4(icmp({ data }), { from: SENDER, to, ttl: hops, tos: hops }));
  yield frame(IPV6, ipv6(icmpv6({ data }), PROTOCOL.ICMPV6, { from: SENDER, to, hopLimit: hops, trafficClass: hops }));
}
