/** Values of every kind of type as text and back. */
import { describe, expect, test } from "vitest";
import { codec } from "../object/btf/codec.ts";
import type { Btf, BtfMember } from "../object/btf/types.ts";
import { fromText, plainText, toPlain } from "./value-text.ts";

const member = (name: string, type: number, bytes: number): BtfMember => ({ name, type, bitOffset: bytes * 8, bitSize: 0 });

const btf: Btf = {
  types: [
    { kind: "int", name: "unsigned int", size: 4, bits: 32, encoding: "unsigned" },
    { kind: "typedef", name: "__be32", type: 1 },
    { kind: "int", name: "unsigned char", size: 1, bits: 8, encoding: "unsigned" },
    { kind: "array", type: 3, indexType: 1, length: 6 },
    { kind: "array", type: 3, indexType: 1, length: 16 },
    { kind: "int", name: "char", size: 1, bits: 8, encoding: "signed" },
    { kind: "array", type: 6, indexType: 1, length: 8 },
    {
      kind: "enum",
      name: "state",
      size: 4,
      signed: false,
      values: [
        { name: "CLOSED", value: 0 },
        { name: "OPEN", value: 1 },
      ],
    },
    { kind: "struct", name: "in6_addr", size: 16, members: [member("in6_u", 10, 0)] },
    { kind: "union", name: "", size: 16, members: [member("u6_addr8", 5, 0), member("u6_addr32", 11, 0)] },
    { kind: "array", type: 1, indexType: 1, length: 4 },
    {
      kind: "struct",
      name: "flow",
      size: 56,
      members: [
        ...[member("saddr", 2, 0), member("seq", 2, 4), member("mac", 4, 8), member("name", 7, 16), member("state", 8, 24)],
        ...[member("dst6", 9, 28), member("up", 13, 44), member("total", 14, 48)],
      ],
    },
    { kind: "int", name: "_Bool", size: 1, bits: 8, encoding: "bool" },
    { kind: "int", name: "long", size: 8, bits: 64, encoding: "signed" },
    { kind: "struct", name: "prefix", size: 8, members: [member("prefixlen", 1, 0), member("network", 2, 4)] },
  ],
};

const type = (id: number) => ({ btf, id });

/** Text to bytes and back. */
function through(id: number, text: string): string {
  const each = codec(btf, id);
  const bytes = new Uint8Array(each.size);
  each.encode(fromText(type(id), each.size, text, "value"), bytes);
  return plainText(toPlain(type(id), each.decode(bytes)));
}

describe("typed values", () => {
  test("addresses, text, names, numbers", () => {
    const given = {
      ...{ saddr: "10.0.0.1", seq: 7, mac: "02:00:00:00:00:01", name: "eth0", state: "OPEN" },
      ...{ dst6: "fd00::1", up: true, total: "-9007199254740993" },
    };
    expect(through(12, JSON.stringify(given))).toBe(
      "{ saddr: 10.0.0.1, seq: 7, mac: 02:00:00:00:00:01, name: eth0, state: OPEN, dst6: fd00::1, up: true, total: -9007199254740993 }",
    );
    expect(through(12, "saddr=0x0a000001,seq=0x10,mac=020000000009,name=,state=1,dst6=::,up=false,total=1")).toBe(
      "{ saddr: 10.0.0.1, seq: 16, mac: 02:00:00:00:00:09, name: , state: OPEN, dst6: ::, up: false, total: 1 }",
    );
    expect(through(12, JSON.stringify(given).replace('"-9007199254740993"', "-9007199254740993"))).toContain(
      "total: -9007199254740993",
    );
  });

  test("a value that stands alone", () => {
    expect([through(2, "192.0.2.1"), through(1, "0xff"), through(8, "CLOSED"), through(4, "02:00:00:00:00:01")]).toEqual([
      ...["192.0.2.1", "255", "CLOSED", "02:00:00:00:00:01"],
    ]);
    expect([through(5, "fd00::7"), through(7, "abc"), through(15, "10.1.0.0/16")]).toEqual([
      ...["fd00::7", "abc", "{ prefixlen: 16, network: 10.1.0.0 }"],
    ]);
  });

  test.each<[number, string, RegExp]>([
    [1, "ten", /"ten" is not a valid value/],
    [4, "02:00", /not a valid value/],
    [7, "much too long", /not a valid value/],
    [8, "AJAR", /"AJAR" is not a valid value/],
    [12, "17", /not a valid value/],
    [12, "{", /not a valid value/],
  ])("type %i refuses %s", (id, text, says) => {
    expect(() => fromText(type(id), 0, text, "value")).toThrow(says);
  });
});

test("bit fields in wire order are numbers, whatever bytes they are made of", () => {
  const types: Btf["types"] = [
    { kind: "int", name: "unsigned char", size: 1, bits: 8, encoding: "unsigned" },
    { kind: "array", type: 1, indexType: 1, length: 4 },
    { kind: "typedef", name: "__be_bits_0_20", type: 2 },
    { kind: "typedef", name: "__be_bits_20_12", type: 2 },
    { kind: "union", name: "", size: 4, members: [member("x", 3, 0), member("y", 4, 0)] },
    { kind: "struct", name: "run", size: 4, members: [member("", 5, 0)] },
  ];
  const run = { btf: { types }, id: 6 };
  const bytes = new Uint8Array(4);
  codec(run.btf, run.id).encode(fromText(run, 4, "x=0x12345,y=7", "value"), bytes);
  expect([...bytes]).toEqual([0x12, 0x34, 0x50, 0x07]);
  expect(plainText(toPlain(run, codec(run.btf, run.id).decode(bytes)))).toBe("{ x: 74565, y: 7 }");
});

test("bytes without a type: in hexadecimal, or a number in the machine's order", () => {
  const bytes = (size: number, text: string) => Array.from(fromText(null, size, text, "value") as Uint8Array);
  expect([bytes(4, "0a000001"), bytes(4, "7"), bytes(4, "0x0102"), bytes(2, "0a 01"), bytes(4, "10.0.0.1")]).toEqual([
    ...[
      [10, 0, 0, 1],
      [7, 0, 0, 0],
      [2, 1, 0, 0],
      [10, 1],
      [10, 0, 0, 1],
    ],
  ]);
  expect(() => bytes(2, "70000")).toThrow(/not a valid/);
  expect(() => bytes(3, "0a")).toThrow(/not a valid/);
  expect(toPlain(null, Uint8Array.of(1, 255))).toBe("01ff");
});
