import { isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { assertProperty } from "../../test/property.ts";
import { formatIp, parseIp, prefixesOverlap } from "./ip-address.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test.each([
  ["10.11.1.2", "0a0b0102"],
  ["::", "00000000000000000000000000000000"],
  ["::1", "00000000000000000000000000000001"],
  ["fc00:dead:cafe:1::2", "fc00deadcafe00010000000000000002"],
  ["2001:db8:0:0:1::", "20010db8000000000001000000000000"],
  ["::ffff:10.0.0.1", "00000000000000000000ffff0a000001"],
])("%s is %s", (text, bytes) => {
  expect(hex(parseIp(text))).toBe(bytes);
});

test.each(["", "10.11.1", "10.11.1.256", "fc00:::1", "fe80::1%eth0", "10.11.1.2/24", "host"])("%j is no address", (text) => {
  expect(() => parseIp(text)).toThrow(`"${text}" is no IP address.`);
});

// The examples of RFC 5952, sections 4.1 to 4.2.3.
test.each([
  ["2001:0db8::0001", "2001:db8::1"],
  ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
])("%s is written %s", (text, canonical) => {
  expect(formatIp(parseIp(text))).toBe(canonical);
});

test("what is written is an address and reads back as the same bytes", () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.array(fc.constantFrom(0, 0, 0, 1, 0xff), { minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.from(bytes)),
  );
  assertProperty(
    fc.property(address, (bytes) => {
      const text = formatIp(bytes);
      expect(isIP(text)).toBe(bytes.length === 4 ? 4 : 6);
      expect(hex(parseIp(text))).toBe(hex(bytes));
    }),
  );
});

test.each([
  ["10.11.1.0/24", "10.11.1.200/32", true],
  ["10.11.1.0/24", "10.11.2.0/24", false],
  ["10.11.0.0/16", "10.11.200.0/24", true],
  ["10.11.0.0/15", "10.10.0.0/16", true],
  ["fc00:dead:cafe:1::/64", "fc00:dead:cafe:11::/64", false],
  ["fc00:dead:cafe:1::/64", "fc00:dead:cafe::/48", true],
  ["0.0.0.0/0", "::/0", false],
])("%s and %s overlap: %s", (left, right, overlap) => {
  const prefix = (text: string) => {
    const [address = "", length] = text.split("/");
    return { address, prefixLength: Number(length) };
  };
  expect(prefixesOverlap(prefix(left), prefix(right))).toBe(overlap);
  expect(prefixesOverlap(prefix(right), prefix(left))).toBe(overlap);
});
