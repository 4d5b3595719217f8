import { isIP } from "node:net";
import { describe, expect, test } from "vitest";
import { formatIp, parseIp, prefixesOverlap } from "../sys/ip-address.ts";
import { checkName, MAX_NUMBER, MAX_NUMBER_IP4, networksOf, numberOf, planFor, vlansFor } from "./plan.ts";

const NUMBERS = Array.from({ length: MAX_NUMBER }, (_, i) => i + 1);

// Lab 10 is the first that the tutorial's own arithmetic gets wrong, 16 and 31 the next kinds.
test.each([
  [1, "fc00:dead:cafe:1::", "10.11.1.", "fc00:dead:cafe:1001::", "fc00:dead:cafe:2001::"],
  [9, "fc00:dead:cafe:9::", "10.11.9.", "fc00:dead:cafe:1009::", "fc00:dead:cafe:2009::"],
  [10, "fc00:dead:cafe:a::", "10.11.10.", "fc00:dead:cafe:100a::", "fc00:dead:cafe:200a::"],
  [16, "fc00:dead:cafe:10::", "10.11.16.", "fc00:dead:cafe:1010::", "fc00:dead:cafe:2010::"],
  [31, "fc00:dead:cafe:1f::", "10.11.31.", "fc00:dead:cafe:101f::", "fc00:dead:cafe:201f::"],
  [255, "fc00:dead:cafe:ff::", "10.11.255.", "fc00:dead:cafe:10ff::", "fc00:dead:cafe:20ff::"],
])("lab %i has %s, %s, and the VLANs %s and %s", (number, ip6, ip4, vlan1, vlan2) => {
  const plan = planFor(number);
  expect(plan.ip6).toEqual({ prefix: ip6, outside: `${ip6}1`, inside: `${ip6}2` });
  expect(plan.ip4).toEqual({ prefix: ip4, outside: `${ip4}1`, inside: `${ip4}2` });
  expect(vlansFor(number, "test")).toEqual([
    { id: 1, prefix: vlan1, outside: `${vlan1}1`, inside: `${vlan1}2`, outsideDevice: "test.1", insideDevice: "veth0.1" },
    { id: 2, prefix: vlan2, outside: `${vlan2}1`, inside: `${vlan2}2`, outsideDevice: "test.2", insideDevice: "veth0.2" },
  ]);
});

test("every lab's addresses are valid, canonical and read back to its number", () => {
  for (const number of NUMBERS) {
    const { ip6, ip4 } = planFor(number);
    const addresses = [ip6.outside, ip6.inside, ...vlansFor(number, "x").flatMap(({ outside, inside }) => [outside, inside])];
    if (ip4 !== null) addresses.push(ip4.outside, ip4.inside);
    for (const address of addresses) {
      expect(isIP(address)).not.toBe(0);
      expect(formatIp(parseIp(address))).toBe(address);
    }
    expect(numberOf(ip6.prefix)).toBe(number);
    expect(ip4 === null).toBe(number > MAX_NUMBER_IP4);
  }
});

test("no two networks of any two labs are the same", () => {
  const all = NUMBERS.flatMap((number) => networksOf(number, { legacyIp: true, vlan: true }).map(({ address }) => address));
  expect(new Set(all).size).toBe(all.length);
  const [first, second] = [1, 2].map((number) => networksOf(number, { legacyIp: true, vlan: true }));
  expect(first?.some((a) => second?.some((b) => prefixesOverlap(a, b)))).toBe(false);
});

test.each([0, -1, 1.5, Number.NaN, MAX_NUMBER + 1])("there is no lab number %d", (number) => {
  expect(() => planFor(number)).toThrowError(expect.objectContaining({ code: "LAB" }));
});

test.each(["", "fc00:dead:cafe::", "fc00:dead:cafe:0::", "fc00:dead:cafe:1000::", "fc00:dead:beef:1::", "10.11.1."])(
  "%j is no lab's prefix",
  (prefix) => {
    expect(numberOf(prefix)).toBeNull();
  },
);

describe("names", () => {
  test.each(["test", "a", "veth-packet02", "xdptut-0a1f", "fifteen-letters", "lab-1", "_x"])("%s is one", (name) => {
    expect(() => checkName(name, { vlan: false })).not.toThrow();
  });

  test.each([
    "",
    ".",
    "..",
    "lab.1",
    "a/b",
    "a b",
    "-n",
    "ümlaut",
    "a\nb",
    "$(x)",
    "xdp",
    "tc",
    "ip",
    "all",
    "default",
    "lo",
    "veth0",
  ])("%j is none", (name) => {
    expect(() => checkName(name, { vlan: false })).toThrowError(expect.objectContaining({ code: "USAGE" }));
  });

  test("the longest has 15 characters, 13 where devices get a VLAN's number too", () => {
    expect(() => checkName("x".repeat(16), { vlan: false })).toThrow(
      "Environment name 'xxxxxxxxxxxxxxxx' is too long (max 15)",
    );
    expect(() => checkName("x".repeat(13), { vlan: true })).not.toThrow();
    expect(() => checkName("x".repeat(14), { vlan: true })).toThrow("Environment name 'xxxxxxxxxxxxxx' is too long (max 13)");
  });
});
