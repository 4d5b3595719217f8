import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertProperty } from "../../../test/property.ts";
import { BtfBuilder } from "./builder.ts";
import { type Codec, codec } from "./codec.ts";
import { describe as describeType } from "./describe.ts";
import type { BtfMember, BtfType } from "./types.ts";

const btf = new BtfBuilder();
const int = (name: string, size: number, encoding: "unsigned" | "signed" | "bool" | "char" = "unsigned") =>
  btf.add({ kind: "int", name, size, bits: size * 8, encoding });
const u8 = int("u8", 1);
const u16 = int("u16", 2);
const u32 = int("u32", 4);
const u64 = int("u64", 8);
const be16 = btf.add({ kind: "typedef", name: "__be16", type: u16 });
const be32 = btf.add({ kind: "typedef", name: "__be32", type: u32 });
const be64 = btf.add({ kind: "typedef", name: "__be64", type: u64 });
const array = (type: number, length: number) => btf.add({ kind: "array", type, indexType: u32, length });
const member = (name: string, type: number, bitOffset: number, bitSize = 0): BtfMember => ({ name, type, bitOffset, bitSize });
const struct = (name: string, size: number, ...members: BtfMember[]) => btf.add({ kind: "struct", name, size, members });

function bytesOf(type: Codec, value: unknown): number[] {
  const bytes = new Uint8Array(type.size).fill(0xee);
  type.encode(value, bytes);
  return [...bytes];
}

function failure(type: Codec, value: unknown): { what: string; why: string; fix: string } {
  try {
    type.encode(value, new Uint8Array(type.size));
  } catch (error) {
    expect(error).toMatchObject({ code: "MAP", why: expect.any(String), fix: expect.any(String) });
    const { message, why, fix } = error as { message: string; why: string; fix: string };
    return { what: message, why, fix };
  }
  throw new Error("it was encoded");
}

describe("integers", () => {
  const kinds: [string, number, number, boolean][] = [
    ["u8", u8, 8, false],
    ["i8", int("i8", 1, "signed"), 8, true],
    ["u16", u16, 16, false],
    ["i16", int("i16", 2, "signed"), 16, true],
    ["u32", u32, 32, false],
    ["i32", int("i32", 4, "signed"), 32, true],
    ["u64", u64, 64, false],
    ["i64", int("i64", 8, "signed"), 64, true],
  ];
  it.each(kinds)("%s: range, sign, little-endian bytes", (_, id, bits, signed) => {
    const type = codec(btf, id);
    const low = signed ? -(1n << BigInt(bits - 1)) : 0n;
    const high = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
    assertProperty(
      fc.property(fc.bigInt({ min: low, max: high }), (value) => {
        const bytes = bytesOf(type, value);
        expect(bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)).toBe(BigInt.asUintN(bits, value));
        expect(type.decode(Uint8Array.from(bytes))).toBe(bits === 64 ? value : Number(value));
      }),
    );
    expect(failure(type, high + 1n).why).toContain(`holds ${low} to ${high}`);
    expect(failure(type, low - 1n).what).toBe("value is not a valid value.");
  });

  it("takes safe integers for 64 bits, and nothing inexact", () => {
    const type = codec(btf, u64);
    expect(bytesOf(type, 258)).toEqual([2, 1, 0, 0, 0, 0, 0, 0]);
    expect(failure(type, 2 ** 53).fix).toContain("bigint");
    expect(failure(type, 1.5).fix).toBe("Give an integer.");
    expect(failure(type, "1").why).toBe('It is "1", but its type is u64.');
    expect(failure(type, undefined).why).toContain("undefined");
  });

  it("be16, be32, be64 are in network order", () => {
    expect(bytesOf(codec(btf, be16), 0x0800)).toEqual([8, 0]);
    expect(codec(btf, be16).decode(Uint8Array.of(8, 0))).toBe(0x0800);
    expect(bytesOf(codec(btf, be32), 0x0a0b_0102)).toEqual([10, 11, 1, 2]);
    expect(bytesOf(codec(btf, be64), 1n)).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
    expect(codec(btf, be64).decode(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0))).toBe(1n << 56n);
  });

  it("bool is boolean", () => {
    const type = codec(btf, int("bool", 1, "bool"));
    expect(bytesOf(type, true)).toEqual([1]);
    expect(type.decode(Uint8Array.of(2))).toBe(true);
    expect(type.decode(Uint8Array.of(0))).toBe(false);
    expect(failure(type, 1).fix).toBe("Give true or false.");
  });

  it("enums are numbers, qualifiers and typedefs are looked through", () => {
    const action = btf.add({ kind: "enum", name: "action", size: 4, signed: true, values: [] });
    const alias = btf.add({ kind: "const", type: btf.add({ kind: "typedef", name: "action_t", type: action }) });
    expect(codec(btf, alias).decode(Uint8Array.of(0xff, 0xff, 0xff, 0xff))).toBe(-1);
  });
});

describe("structs", () => {
  const record = struct("datarec", 16, member("rx_packets", u64, 0), member("rx_bytes", u64, 64));
  const type = codec(btf, record);

  it("are objects", () => {
    const bytes = bytesOf(type, { rx_packets: 1n, rx_bytes: 64n });
    expect(bytes).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0]);
    expect(type.decode(Uint8Array.from(bytes))).toEqual({ rx_packets: 1n, rx_bytes: 64n });
  });

  it("read and write at an offset, also in a view of a larger buffer", () => {
    const buffer = new Uint8Array(48).subarray(8);
    type.encode({ rx_packets: 3, rx_bytes: 4 }, buffer, 16);
    expect(type.decode(buffer, 16)).toEqual({ rx_packets: 3n, rx_bytes: 4n });
    expect(buffer.subarray(0, 16)).toEqual(new Uint8Array(16));
    expect(() => type.decode(buffer, 25)).toThrow(
      expect.objectContaining({ code: "MAP", why: "It takes 16 bytes at offset 25, but the buffer has 40." }),
    );
    expect(() => type.decode(buffer, -1)).toThrow(expect.objectContaining({ code: "MAP" }));
  });

  it("name the field that is missing, unknown or wrong", () => {
    expect(failure(type, { rx_packets: 1n })).toEqual({
      what: "value.rx_bytes is not a valid value.",
      why: "It is missing.",
      fix: "Give a value of type u64.",
    });
    expect(failure(type, { rx_packets: 1n, rx_bytes: 1n, rx: 1 }).what).toBe("value.rx is not a valid value.");
    expect(failure(type, { rx_packets: -1n, rx_bytes: 1n }).what).toBe("value.rx_packets is not a valid value.");
    expect(failure(type, 5).fix).toBe("Give an object with rx_packets, rx_bytes.");
    expect(failure(type, null).why).toContain("null");
    const nested = codec(btf, struct("outer", 32, member("records", array(record, 2), 0)), "key");
    const good = { rx_packets: 1, rx_bytes: 2 };
    expect(failure(nested, { records: [good, { ...good, rx_bytes: 1n << 64n }] }).what).toBe(
      "key.records[1].rx_bytes is not a valid value.",
    );
  });

  it("hide padding, and write it as zeros", () => {
    const padded = codec(btf, struct("padded", 8, member("a", u8, 0), member("", array(u8, 3), 8), member("b", u16, 32)));
    expect(padded.decode(Uint8Array.of(1, 9, 9, 9, 2, 0, 9, 9))).toEqual({ a: 1, b: 2 });
    expect(bytesOf(padded, { a: 1, b: 2 })).toEqual([1, 0, 0, 0, 2, 0, 0, 0]);
  });

  it("have bit fields, little-endian, also across bytes and signed", () => {
    const i32 = int("i32", 4, "signed");
    const fields = struct(
      "fields",
      12,
      member("ihl", u8, 0, 4),
      member("version", u8, 4, 4),
      member("delta", i32, 8, 12),
      member("big", u64, 20, 40),
    );
    const type = codec(btf, fields);
    const bytes = bytesOf(type, { ihl: 5, version: 4, delta: -2, big: 0x12_3456_789an });
    expect(bytes).toEqual([0x45, 0xfe, 0xaf, 0x89, 0x67, 0x45, 0x23, 0x01, 0, 0, 0, 0]);
    expect(type.decode(Uint8Array.from(bytes))).toEqual({ ihl: 5, version: 4, delta: -2, big: 0x12_3456_789an });
    expect(failure(type, { ihl: 16, version: 4, delta: 0, big: 0 }).why).toBe("It is 16, but u8 : 4 holds 0 to 15.");
  });

  it("take over the members of unnamed structs and unions; of a union one is given", () => {
    const words = array(u32, 4);
    const union = btf.add({ kind: "union", name: "", size: 16, members: [member("ip4", be32, 0), member("ip6", words, 0)] });
    const type = codec(btf, struct("address", 20, member("", union, 0), member("family", u16, 128)));
    expect(bytesOf(type, { ip4: 0x0a00_0001, family: 2 })).toEqual([10, 0, 0, 1, ...Array(12).fill(0), 2, 0, 0, 0]);
    expect(type.decode(Uint8Array.from([10, 0, 0, 1, ...Array(12).fill(0), 2, 0, 0, 0]))).toEqual({
      ip4: 0x0a00_0001,
      ip6: [0x0100_000a, 0, 0, 0],
      family: 2,
    });
    expect(failure(type, { family: 2 }).fix).toBe("Give exactly one of them.");
    expect(failure(type, { ip4: 1, ip6: [0, 0, 0, 0], family: 2 }).why).toContain("ip4, ip6, which share their bytes");
  });
});

describe("arrays", () => {
  it("of bytes are Uint8Array, copied out; number[] is taken too", () => {
    const type = codec(btf, array(u8, 6));
    const buffer = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const mac = type.decode(buffer);
    buffer[0] = 9;
    expect(mac).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
    expect(bytesOf(type, [1, 2, 3, 4, 5, 6])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(bytesOf(type, mac)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(failure(type, [1, 2]).why).toBe("It has 2 elements, but its type is u8[6].");
    expect(failure(type, [1, 2, 3, 4, 5, 256]).what).toBe("value[5] is not a valid value.");
    expect(failure(type, "abcdef").fix).toBe("Give a Uint8Array or an array of numbers.");
  });

  it("of anything else are arrays, nested too", () => {
    const type = codec(btf, array(array(u16, 2), 2));
    expect(
      bytesOf(type, [
        [1, 2],
        [3, 4],
      ]),
    ).toEqual([1, 0, 2, 0, 3, 0, 4, 0]);
    expect(type.decode(Uint8Array.of(1, 0, 2, 0, 3, 0, 4, 0))).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(codec(btf, array(int("i8", 1, "signed"), 2)).decode(Uint8Array.of(255, 1))).toEqual([-1, 1]);
  });
});

describe("types that are no values", () => {
  it("are refused with their description", () => {
    const opaque = btf.add({ kind: "fwd", name: "opaque", union: false });
    const refused = (id: number) => expect(() => codec(btf, id));
    refused(0).toThrow("Values of type void cannot be read or written.");
    refused(opaque).toThrow("Values of type struct opaque cannot");
    refused(btf.add({ kind: "float", name: "long double", size: 16 })).toThrow("long double");
    refused(struct("small", 2, member("a", u32, 0))).toThrow(
      expect.objectContaining({ why: "Its member a does not fit into its 2 bytes." }),
    );
    refused(struct("twice", 8, member("a", u32, 0), member("a", u32, 32))).toThrow(
      expect.objectContaining({ why: "It has two members a." }),
    );
  });

  it("do not explode, however they are nested", () => {
    const types: BtfType[] = [{ kind: "int", name: "u8", size: 1, bits: 8, encoding: "unsigned" }];
    for (let id = 1; id < 30; id++)
      types.push({ kind: "union", name: "u", size: 1, members: [member("a", id, 0), member("b", id, 0)] });
    expect(() => codec({ types }, types.length)).toThrow(expect.objectContaining({ code: "MAP" }));
    const empty: BtfType[] = [
      { kind: "struct", name: "empty", size: 0, members: [] },
      { kind: "array", type: 1, indexType: 1, length: 0xffff_ffff },
    ];
    expect(() => codec({ types: empty }, 2)).toThrow(expect.objectContaining({ code: "MAP" }));
    const self: BtfType[] = [{ kind: "struct", name: "s", size: 8, members: [member("s", 1, 0)] }];
    expect(() => codec({ types: self }, 1)).toThrow(expect.objectContaining({ code: "MAP" }));
  });
});

describe("descriptions", () => {
  it("look like C", () => {
    const mac = array(u8, 6);
    const header = struct("ethernet", 14, member("dst", mac, 0), member("type", be16, 96), member("flag", u8, 104, 4));
    const pointer = btf.add({ kind: "ptr", type: btf.add({ kind: "const", type: header }) });
    expect(describeType(btf, header)).toBe("struct ethernet { u8 dst[6]; __be16 type; u8 flag : 4; }");
    expect(describeType(btf, btf.add({ kind: "typedef", name: "eth_t", type: header }))).toBe(
      "eth_t { u8 dst[6]; __be16 type; u8 flag : 4; }",
    );
    expect(describeType(btf, mac)).toBe("u8 [6]");
    expect(describeType(btf, pointer)).toBe("const struct ethernet *");
    expect(describeType(btf, u32)).toBe("u32");
    expect(describeType(btf, 0)).toBe("void");
    expect(describeType(btf, 99_999)).toBe("?");
  });
});
