/** ICMP (RFC 792), ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861). */
import { type Field, numberOf, type Protocol, type Values } from "../protocol.ts";

const isEcho = (echo: readonly number[]) => (values: Values) => echo.includes(numberOf(values, "type"));

const code: Field = { name: "code", bits: 8, kind: "number" };
const checksum: Field = { name: "checksum", bits: 16, kind: "hex", also: "chksum" };

const ECHO4 = isEcho([0, 8]);
const ERROR4 = isEcho([3, 5, 11, 12]);

export const icmp: Protocol = {
  name: "icmp",
  title: "ICMP",
  fields: [
    {
      ...{ name: "type", bits: 8, kind: "number", initial: 8 },
      names: {
        ...{ 0: "echo reply", 3: "destination unreachable", 5: "redirect", 8: "echo request" },
        ...{ 11: "time exceeded", 12: "parameter problem" },
      },
    },
    code,
    checksum,
    { name: "id", bits: 16, kind: "number", initial: 1, present: ECHO4 },
    { name: "sequence", bits: 16, kind: "number", also: "seq", initial: 1, present: ECHO4 },
    { name: "rest", bits: 32, kind: "hex", present: (values) => !ECHO4(values) },
  ],
  next: (values) => (ERROR4(values) ? "ip" : null),
  carry: (next) => (next === "ip" ? { type: 3 } : null),
  checksum: { field: "checksum", covers: "message" },
  quotes: ERROR4,
};

const ECHO6 = isEcho([128, 129]);
const ERROR6 = isEcho([1, 2, 3, 4]);
const NEIGHBOUR = isEcho([135, 136]);

export const icmpv6: Protocol = {
  name: "icmp6",
  title: "ICMPv6",
  fields: [
    {
      ...{ name: "type", bits: 8, kind: "number", initial: 128 },
      names: {
        ...{ 1: "destination unreachable", 2: "packet too big", 3: "time exceeded", 4: "parameter problem" },
        ...{ 128: "echo request", 129: "echo reply", 133: "router solicitation", 134: "router advertisement" },
        ...{ 135: "neighbor solicitation", 136: "neighbor advertisement" },
      },
    },
    code,
    checksum,
    { name: "id", bits: 16, kind: "number", initial: 1, present: ECHO6 },
    { name: "sequence", bits: 16, kind: "number", also: "seq", initial: 1, present: ECHO6 },
    { name: "rest", bits: 32, kind: "hex", present: (values) => !ECHO6(values) },
    { name: "target", bits: 128, kind: "ip", initial: "fd00::2", present: NEIGHBOUR },
  ],
  next: (values) => (ERROR6(values) ? "ip6" : null),
  carry: (next) => (next === "ip6" ? { type: 1 } : null),
  checksum: { field: "checksum", covers: "pseudo-header", protocol: 58 },
  quotes: ERROR6,
};
