/** What is decoded by a function made for the type is what is decoded part by part. */
import fc from "fast-check";
import { expect, test } from "vitest";
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
  fc.assert(
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
