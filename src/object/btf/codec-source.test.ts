/** What is decoded by a function made for the type is what is decoded part by part. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { assertProperty } from "../../../test/property.ts";
import { BtfBuilder } from "./builder.ts";
import { codec } from "./codec.ts";
import type { BtfMember } from "./types.ts";

type Shape =
  | { kind: "int"; size: 1 | 2 | 4 | 8; encoding: "unsigned" | "signed" | "bool" | "char" }
  | { kind: "network"; size: 2 | 4 | 8 }
  | { kind: "array"; element: Shape; length: number }
  | { kind: "struct" | "union"; fields: (Shape | { kind: "bits"; size: 1 | 2 | 4 | 8; bits: number; signed: boolean })[] };

const { shape } = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({
      kind: fc.constant("int" as const),
      size: fc.constantFrom(1, 2, 4, 8),
      encoding: fc.constantFrom("unsigned", "signed", "bool", "char"),
    }),
    fc.record({ kind: fc.constant("network" as const), size: fc.constantFrom(2, 4, 8) }),
    fc.record({ kind: fc.constant("array" as const), element: tie("shape"), length: fc.integer({ min: 0, max: 40 }) }),
    fc.record({
      kind: fc.constantFrom("struct" as const, "union" as const),
      fields: fc.array(
        fc.oneof(
          tie("shape"),
          fc.record({
            kind: fc.constant("bits" as const),
            size: fc.constantFrom(1, 2, 4, 8),
            bits: fc.integer({ min: 1, max: 64 }),
            signed: fc.boolean(),
          }),
        ),
        { minLength: 1, maxLength: 5 },
      ),
    }),
  ) as fc.Arbitrary<Shape>,
}));

/** The id and the size of the type. */
function build(btf: BtfBuilder, type: Shape): [id: number, size: number] {
  switch (type.kind) {
    case "int": {
      const { size, encoding } = type;
      return [btf.add({ kind: "int", name: encoding === "char" ? "char" : "int", size, bits: size * 8, encoding }), size];
    }
    case "network": {
      const [base] = build(btf, { kind: "int", size: type.size, encoding: "unsigned" });
      return [btf.add({ kind: "typedef", name: `__be${type.size * 8}`, type: base }), type.size];
    }
    case "array": {
      const [element, size] = build(btf, type.element);
      return [btf.add({ kind: "array", type: element, indexType: element, length: type.length }), size * type.length];
    }
    default: {
      let bit = 0;
      let longest = 0;
      const members = type.fields.map((field, index): BtfMember => {
        const name = index === 1 ? "__proto__" : index === 2 ? 'a"\u2028b' : `f${index}`;
        if (type.kind === "union") bit = 0;
        const bits = field.kind === "bits" ? Math.min(field.bits, field.size * 8) : 0;
        const [id, size] =
          field.kind === "bits"
            ? build(btf, { kind: "int", size: field.size, encoding: field.signed ? "signed" : "unsigned" })
            : build(btf, field);
        if (bits === 0) bit = Math.ceil(bit / 8) * 8;
        const member = { name, type: id, bitOffset: bit, bitSize: bits };
        bit += bits === 0 ? size * 8 : bits;
        longest = Math.max(longest, bit);
        return member;
      });
      const size = Math.ceil(longest / 8);
      return [btf.add({ kind: type.kind, name: "s", size, members }), size];
    }
  }
}

test("any type reads the same the thousandth time as the first", () => {
  assertProperty(
    fc.property(shape, fc.uint8Array({ minLength: 64, maxLength: 64 }), (type, noise) => {
      const btf = new BtfBuilder();
      const [id, size] = build(btf, type);
      fc.pre(size > 0 && size < 20_000);
      const bytes = Uint8Array.from({ length: size + 3 }, (_, index) => (noise[index % 64] ?? 0) ^ (index >> 6));
      const decoder = codec(btf, id);
      const first = decoder.decode(bytes, 3);
      for (let times = 0; times < 250; times++) decoder.decode(bytes, 3);
      expect(decoder.decode(bytes, 3)).toStrictEqual(first);
    }),
    { numRuns: 200 },
  );
});

/** A union takes one of its members. */
function oneOfEach(type: Shape, value: unknown): unknown {
  if (type.kind === "array" && Array.isArray(value)) return value.map((each) => oneOfEach(type.element, each));
  if (type.kind !== "struct" && type.kind !== "union") return value;
  const entries = Object.entries(value as object).map(([name, each], index) => {
    const field = type.fields[index];
    return [name, field === undefined || field.kind === "bits" ? each : oneOfEach(field, each)] as const;
  });
  return Object.fromEntries(type.kind === "union" ? entries.slice(0, 1) : entries);
}

test("any type is written the same the thousandth time as the first, and refused with the same words", () => {
  assertProperty(
    fc.property(shape, fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.nat(), (type, noise, place) => {
      const btf = new BtfBuilder();
      const [id, size] = build(btf, type);
      fc.pre(size > 0 && size < 5000);
      const warm = codec(btf, id);
      const bytes = Uint8Array.from({ length: size }, (_, index) => (noise[index % 64] ?? 0) ^ (index >> 6));
      const value = oneOfEach(type, warm.decode(bytes));
      const encoded = (target: typeof warm, given: unknown) => {
        const into = new Uint8Array(size).fill(0xee);
        try {
          target.encode(given, into);
          return into;
        } catch (error) {
          return [(error as Error).message, (error as { why?: string }).why];
        }
      };
      for (let times = 0; times < 250; times++) encoded(warm, value);
      expect(encoded(warm, value)).toEqual(encoded(codec(btf, id), value));
      const broken = corrupted(value, place);
      expect(encoded(warm, broken)).toEqual(encoded(codec(btf, id), broken));
    }),
    { numRuns: 200 },
  );
});

/** The value with one thing in it that does not belong there. */
function corrupted(value: unknown, place: number): unknown {
  const wrong = [undefined, null, "1", 1.5, -1, 2 ** 33, 1n << 70n, [], {}, true, Number.NaN][place % 11];
  if (value instanceof Uint8Array || typeof value !== "object" || value === null || place % 5 === 0) return wrong;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...value };
  const keys = Object.keys(copy);
  const key = keys[place % (keys.length + 1)] ?? "unknown";
  const holder = copy as Record<string, unknown>; // an array's indexes are keys too
  holder[key] = corrupted(holder[key], Math.floor(place / 7) + 1);
  return copy;
}

test("byte arrays are copies, and so are those that are long", () => {
  const btf = new BtfBuilder();
  const [id] = build(btf, {
    kind: "struct",
    fields: [
      { kind: "array", element: { kind: "int", size: 1, encoding: "unsigned" }, length: 6 },
      { kind: "array", element: { kind: "int", size: 1, encoding: "unsigned" }, length: 100 },
    ],
  });
  const decoder = codec(btf, id);
  const bytes = new Uint8Array(106).fill(1);
  for (let times = 0; times < 250; times++) decoder.decode(bytes);
  const value = decoder.decode(bytes) as { f0: Uint8Array };
  bytes.fill(2);
  expect(value.f0).toEqual(new Uint8Array(6).fill(1));
  expect(Object.values(value).every((each) => each instanceof Uint8Array && each.every((byte) => byte === 1))).toBe(true);
});
