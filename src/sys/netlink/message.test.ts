import { expect, test } from "vitest";
import { NETLINK } from "./constants.ts";
import {
  concatenate,
  decodeAttributes,
  decodeMessages,
  encodeMessage,
  nestedAttribute,
  readString,
  readU32,
  stringAttribute,
  u16Attribute,
  u32Attribute,
} from "./message.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("an attribute is length, type, value and padding to four bytes", () => {
  expect(hex(u16Attribute(1, 0x1234))).toBe("0600" + "0100" + "3412" + "0000");
  expect(hex(stringAttribute(3, "lo"))).toBe("0700" + "0300" + "6c6f00" + "00");
});

test("a file descriptor of -1 is written as all ones", () => {
  expect(hex(u32Attribute(1, -1))).toBe("0800" + "0100" + "ffffffff");
});

test("a nested attribute is flagged, and found under its plain type", () => {
  const bytes = nestedAttribute(18, stringAttribute(1, "veth"));
  expect(hex(bytes.subarray(0, 4))).toBe("1000" + "1280");
  const inner = decodeAttributes(decodeAttributes(bytes).get(18) ?? new Uint8Array());
  expect(readString(inner.get(1) ?? new Uint8Array())).toBe("veth");
});

test("a datagram holds several messages, each aligned to four bytes", () => {
  const first = encodeMessage(NETLINK.RTM_GETLINK, NETLINK.NLM_F_REQUEST, 7, u32Attribute(4, 1500));
  const second = encodeMessage(NETLINK.NLMSG_DONE, 0, 7, new Uint8Array());
  const messages = decodeMessages(concatenate([first, second]));
  expect(messages.map(({ type, sequence }) => [type, sequence])).toEqual([
    [18, 7],
    [3, 7],
  ]);
  expect(readU32(decodeAttributes(messages[0]?.payload ?? new Uint8Array()).get(4) ?? new Uint8Array())).toBe(1500);
});

test.each([
  ["a header cut short", Uint8Array.of(16, 0, 0, 0)],
  ["a length shorter than the header", encodeMessage(3, 0, 1, new Uint8Array()).fill(0, 0, 1)],
  ["a length beyond the end", encodeMessage(3, 0, 1, new Uint8Array()).fill(200, 0, 1)],
])("%s is reported, not read", (_name, datagram) => {
  expect(() => decodeMessages(datagram)).toThrow(/netlink message at byte 0/);
});

test("an attribute beyond the end is reported, not read", () => {
  expect(() => decodeAttributes(Uint8Array.of(12, 0, 1, 0))).toThrow(/netlink attribute at byte 0/);
});
