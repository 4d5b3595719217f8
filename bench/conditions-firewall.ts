/** Rules for the firewall, so that every kind decides about some of the corpus. */
import type { Entry, Tables } from "./conditions.ts";

const [DROP, PASS] = [1, 2];
const [TCP, UDP] = [6, 17];

function u32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}

function network(address: readonly number[], bytes: number, length: number, rule: number): Entry {
  return [[...u32(length), ...address, ...new Array<number>(bytes - address.length).fill(0)], u32(rule)];
}

function port(protocol: number, number: number, action: number, rule: number): Entry {
  return [
    [number >> 8, number & 0xff, protocol, 0],
    [...u32(action), ...u32(rule)],
  ];
}

function protocol(number: number, action: number, rule: number): Entry {
  return [u32(number), [...u32(action), ...u32(rule)]];
}

export const FIREWALL: Tables = {
  deny_ipv4: [network([192, 0, 2], 4, 24, 10), network([192, 0, 2, 128], 4, 25, 11), network([0, 0, 0, 1], 4, 32, 12)],
  allow_ipv4: [network([198, 51, 100], 4, 24, 13), network([192, 0, 2, 64], 4, 26, 14)],
  deny_ipv6: [network([0x20, 0x01, 0x0d], 16, 25, 20)],
  allow_ipv6: [network([0x20, 0x01, 0x0e], 16, 24, 21), network([0x20, 0x01], 16, 17, 22)],
  // The last one is no action, so no rule.
  protocols: [protocol(1, PASS, 30), protocol(50, DROP, 31), protocol(51, DROP, 32), protocol(47, 3, 33)],
  ports: [
    port(TCP, 80, DROP, 40),
    port(UDP, 80, PASS, 41),
    port(TCP, 81, PASS, 42),
    port(UDP, 53, DROP, 43),
    port(TCP, 0x100, 7, 44),
    // More than there are counters.
    port(TCP, 0x5000, DROP, 5000),
  ],
};
