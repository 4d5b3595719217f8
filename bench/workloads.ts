/** What is timed: a program and a packet that takes one path through it. */

import {
  ETHERTYPE,
  frame,
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
  pingV6,
  tcp,
  udp,
} from "../test/packets/index.ts";
import { hostIn, SENDER } from "./network.ts";
import type { ProgramName } from "./programs.ts";
import type { Method } from "./timing.ts";

export interface Workload {
  program: ProgramName;
  /** The path, in words. */
  path: string;
  packet: Uint8Array;
  method: Method;
}

const { IPV4, IPV6, ARP, VLAN, QINQ } = ETHERTYPE;
const datagram = ipv4(udp(pattern(56)), { protocol: PROTOCOL.UDP });
const toPort = (destinationPort: number) =>
  frame(IPV4, ipv4(tcp(pattern(56), { destinationPort }), { protocol: PROTOCOL.TCP }));
const tagged = frame(IPV4, datagram, [QINQ, VLAN]);
const from = (...address: readonly number[]) =>
  frame(IPV4, ipv4(udp(pattern(56)), { protocol: PROTOCOL.UDP, from: { ...PEER, ipv4: address } }));
const web = frame(IPV4, ipv4(tcp(pattern(56), { destinationPort: 80 }), { protocol: PROTOCOL.TCP }));
const ssh = frame(IPV4, ipv4(tcp(pattern(56), { destinationPort: 22 }), { protocol: PROTOCOL.TCP }));
const [expiredV4, expiredV6] = [ipv4(icmp(), { ttl: 1 }), ipv6(icmpv6(), PROTOCOL.ICMPV6, { hopLimit: 1 })];
const nowhere = { from: SENDER, to: hostIn("none") };
const [lostV4, lostV6] = [ipv4(icmp(), nowhere), ipv6(icmpv6(), PROTOCOL.ICMPV6, nowhere)];
const replyV4 = ipv4(icmp({ type: ICMP_TYPE.ECHO_REPLY }));
const replyV6 = ipv6(icmpv6({ type: ICMPV6_TYPE.ECHO_REPLY }));

export const WORKLOADS: readonly Workload[] = [
  { program: "pass", path: "any packet", packet: pingV4(), method: "repeated" },
  { program: "drop", path: "any packet", packet: pingV4(), method: "repeated" },
  { program: "aborted", path: "any packet", packet: pingV4(), method: "repeated" },
  { program: "echo", path: "ARP passes", packet: frame(ARP, pattern(28)), method: "repeated" },
  { program: "echo", path: "UDP over IPv4 passes", packet: frame(IPV4, datagram), method: "repeated" },
  { program: "echo", path: "IPv4 echo reply passes", packet: frame(IPV4, replyV4), method: "repeated" },
  { program: "echo", path: "IPv6 echo reply passes, two tags", packet: frame(IPV6, replyV6, [QINQ, VLAN]), method: "repeated" },
  { program: "echo", path: "IPv4 ping answered", packet: pingV4(), method: "single" },
  { program: "echo", path: "IPv6 ping answered", packet: pingV6(), method: "single" },
  { program: "redirect", path: "any packet", packet: pingV4(), method: "repeated" },
  { program: "redirect-map", path: "known sender", packet: pingV4(), method: "repeated" },
  { program: "router", path: "IPv4 forwarded", packet: pingV4(), method: "single" },
  {
    program: "router",
    path: "IPv6 forwarded",
    packet: frame(IPV6, ipv6(icmpv6(), PROTOCOL.ICMPV6, { from: SENDER })),
    method: "single",
  },
  { program: "router", path: "IPv4, TTL expired", packet: frame(IPV4, expiredV4), method: "repeated" },
  { program: "router", path: "IPv6, hop limit expired", packet: frame(IPV6, expiredV6), method: "repeated" },
  { program: "router", path: "IPv4, no route", packet: frame(IPV4, lostV4), method: "repeated" },
  { program: "router", path: "IPv6, no route", packet: frame(IPV6, lostV6), method: "repeated" },
  { program: "patch-ports", path: "TCP over IPv4", packet: ssh, method: "repeated" },
  { program: "patch-ports", path: "UDP over IPv4, two tags", packet: frame(IPV4, datagram, [QINQ, VLAN]), method: "repeated" },
  { program: "vlan-swap", path: "tag pushed", packet: pingV4(), method: "single" },
  { program: "vlan-swap", path: "tag popped", packet: pingV4([VLAN]), method: "single" },
  { program: "tcpfilter", path: "TCP passes", packet: ssh, method: "repeated" },
  { program: "portfilter", path: "port 80 dropped", packet: web, method: "repeated" },
  { program: "portfilter", path: "port 22 passes", packet: ssh, method: "repeated" },
  { program: "flow-counters", path: "known pair", packet: pingV4(), method: "repeated" },
  { program: "flow-counters-tx", path: "known pair", packet: pingV4(), method: "repeated" },
  { program: "metadata-xdp", path: "any packet", packet: pingV4(), method: "single" },
  { program: "metadata-tc", path: "without metadata", packet: pingV4(), method: "repeated" },
  { program: "protocol-counter", path: "IPv4", packet: pingV4(), method: "repeated" },
  { program: "protocol-counter", path: "IPv6, two tags", packet: pingV6([QINQ, VLAN]), method: "repeated" },
  { program: "firewall", path: "denied network", packet: from(192, 0, 2, 1), method: "repeated" },
  { program: "firewall", path: "allowed network", packet: from(198, 51, 100, 1), method: "repeated" },
  { program: "firewall", path: "port 80 dropped", packet: web, method: "repeated" },
  { program: "firewall", path: "UDP over IPv4, two tags, no rule", packet: tagged, method: "repeated" },
  { program: "firewall", path: "IPv6, no rule", packet: frame(IPV6, ipv6(tcp(pattern(56)), PROTOCOL.TCP)), method: "repeated" },
  { program: "balancer", path: "TCP rewritten", packet: web, method: "single" },
  { program: "balancer", path: "TCP to the next link", packet: toPort(81), method: "repeated" },
  { program: "balancer", path: "TCP into a tunnel", packet: toPort(79), method: "single" },
  { program: "balancer", path: "no service", packet: ssh, method: "repeated" },
];
