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
  PROTOCOL,
  pattern,
  pingV4,
  pingV6,
} from "../test/packets/index.ts";
import type { ProgramName } from "./contenders.ts";
import type { Method } from "./timing.ts";

export interface Workload {
  program: ProgramName;
  /** The path, in words. */
  path: string;
  packet: Uint8Array;
  method: Method;
}

const { IPV4, IPV6, ARP, VLAN, QINQ } = ETHERTYPE;
const udp = ipv4(pattern(64), { protocol: PROTOCOL.UDP });
const replyV4 = ipv4(icmp({ type: ICMP_TYPE.ECHO_REPLY }));
const replyV6 = ipv6(icmpv6({ type: ICMPV6_TYPE.ECHO_REPLY }));

export const WORKLOADS: readonly Workload[] = [
  { program: "pass", path: "any packet", packet: pingV4(), method: "repeated" },
  { program: "drop", path: "any packet", packet: pingV4(), method: "repeated" },
  { program: "aborted", path: "any packet", packet: pingV4(), method: "repeated" },
  { program: "echo", path: "ARP passes", packet: frame(ARP, pattern(28)), method: "repeated" },
  { program: "echo", path: "UDP over IPv4 passes", packet: frame(IPV4, udp), method: "repeated" },
  { program: "echo", path: "IPv4 echo reply passes", packet: frame(IPV4, replyV4), method: "repeated" },
  { program: "echo", path: "IPv6 echo reply passes, two tags", packet: frame(IPV6, replyV6, [QINQ, VLAN]), method: "repeated" },
  { program: "echo", path: "IPv4 ping answered", packet: pingV4(), method: "single" },
  { program: "echo", path: "IPv6 ping answered", packet: pingV6(), method: "single" },
];
