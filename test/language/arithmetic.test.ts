/** Operators, widths and signs: what the kernel computes equals what docs/language.md says. */
import { describe, expect, test } from "vitest";
import { frame, noKernel, runOnce, start, withoutKernel, word } from "../kernel.ts";

const INTERESTING = [
  0n,
  1n,
  2n,
  7n,
  31n,
  32n,
  63n,
  64n,
  127n,
  128n,
  255n,
  256n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x10000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  -0x8000_0000_0000_0000n,
  -1n,
  -2n,
  -7n,
  -128n,
  -0x8000_0000n,
];
const u = (value: bigint) => BigInt.asUintN(64, value);
const s = (value: bigint) => BigInt.asIntN(64, value);

const divide = (a: bigint, b: bigint) => (b === 0n ? 0n : a / b);
const modulo = (a: bigint, b: bigint) => (b === 0n ? a : a % b);

type Meaning = (a: bigint, b: bigint) => bigint;
const UNSIGNED: Record<string, Meaning> = {
  "a + b": (a, b) => a + b,
  "a - b": (a, b) => a - b,
  "a * b": (a, b) => a * b,
  "a / b": (a, b) => divide(u(a), u(b)),
  "a % b": (a, b) => modulo(u(a), u(b)),
  "a & b": (a, b) => a & b,
  "a | b": (a, b) => a | b,
  "a ^ b": (a, b) => a ^ b,
  "a << b": (a, b) => a << (u(b) & 63n),
  "a >> b": (a, b) => u(a) >> (u(b) & 63n),
  "a >>> b": (a, b) => u(a) >> (u(b) & 63n),
  "~a": (a) => ~a,
  "-a": (a) => -a,
  "a < b ? 1 : 0": (a, b) => (u(a) < u(b) ? 1n : 0n),
  "a <= b ? 1 : 0": (a, b) => (u(a) <= u(b) ? 1n : 0n),
  "a > b ? 1 : 0": (a, b) => (u(a) > u(b) ? 1n : 0n),
  "a >= b ? 1 : 0": (a, b) => (u(a) >= u(b) ? 1n : 0n),
  "a === b ? 1 : 0": (a, b) => (u(a) === u(b) ? 1n : 0n),
  "a !== b ? 1 : 0": (a, b) => (u(a) !== u(b) ? 1n : 0n),
  "a && b ? 1 : 0": (a, b) => (a && b ? 1n : 0n),
  "a || b ? 1 : 0": (a, b) => (a || b ? 1n : 0n),
  "!a ? 1 : 0": (a) => (a ? 0n : 1n),
};
const SIGNED: Record<string, Meaning> = {
  "a / b": (a, b) => divide(s(a), s(b)),
  "a % b": (a, b) => modulo(s(a), s(b)),
  "a >> b": (a, b) => s(a) >> (u(b) & 63n),
  "a >>> b": (a, b) => u(a) >> (u(b) & 63n),
  "a < b ? 1 : 0": (a, b) => (s(a) < s(b) ? 1n : 0n),
  "a <= b ? 1 : 0": (a, b) => (s(a) <= s(b) ? 1n : 0n),
  "a > b ? 1 : 0": (a, b) => (s(a) > s(b) ? 1n : 0n),
  "a >= b ? 1 : 0": (a, b) => (s(a) >= s(b) ? 1n : 0n),
};

describe.skipIf(noKernel)(`byte order${withoutKernel}`, () => {
  test("byteSwap16, byteSwap32 and byteSwap64 reverse the bytes of their width", () => {
    using running = start(
      `const Numbers = struct({ a: u64, two: u64, four: u64, eight: u64, known: u64 });
       export const p = xdp((ctx) => {
         const n = ctx.at(Numbers, 16);
         if (!n) return XDP_DROP;
         n.two = byteSwap16(u16(n.a));
         n.four = byteSwap32(u32(n.a));
         n.eight = byteSwap64(n.a);
         n.known = byteSwap16(0x1234) + byteSwap32(byteSwap32(7));
         return XDP_PASS;
       });`,
    );
    const reversed = (value: bigint, bytes: number): bigint =>
      Array.from(
        { length: bytes },
        (_, index) => ((u(value) >> BigInt(8 * index)) & 0xffn) << BigInt(8 * (bytes - 1 - index)),
      ).reduce((sum, byte) => sum | byte);
    for (const a of INTERESTING) {
      const { packet } = running.run(frame([a], 64));
      expect([1, 2, 3, 4].map((index) => word(packet, index))).toEqual([
        reversed(a, 2),
        reversed(a, 4),
        reversed(a, 8),
        0x3412n + 7n,
      ]);
    }
  });
});

describe.skipIf(noKernel)(`operators${withoutKernel}`, () => {
  for (const [type, table] of [
    ["u64", UNSIGNED],
    ["i64", SIGNED],
  ] as const) {
    for (const cpu of [2, 3, 4] as const) {
      test(`${type}, every operator on every pair of interesting numbers, at v${cpu}`, () => {
        const operators = Object.entries(table);
        const stores = operators.map(([text], index) => `out.r${index} = ${text};`).join("\n");
        const fields = operators.map((_, index) => `r${index}: u64`).join(", ");
        const header = 16 + 16;
        using running = start(
          `const In = struct({ a: ${type}, b: ${type} });
           const Out = struct({ ${fields} });
           export const p = xdp((ctx) => {
             const input = ctx.at(In, 16);
             const out = ctx.at(Out, ${header});
             if (!input || !out) return XDP_DROP;
             const a = input.a;
             const b = input.b;
             ${stores}
             return XDP_PASS;
           });`,
          { cpu },
        );
        for (const a of INTERESTING) {
          for (const b of INTERESTING) {
            const { action, packet } = running.run(frame([a, b], header + operators.length * 8));
            expect(action).toBe(2);
            operators.forEach(([text, meaning], index) => {
              expect(word(packet, 2 + index), `${text} with a = ${a}, b = ${b}`).toBe(u(meaning(a, b)));
            });
          }
        }
      });
    }
  }

  for (const [type, table, wrap] of [
    ["u8", UNSIGNED, BigInt.asUintN],
    ["i8", { ...UNSIGNED, ...SIGNED }, BigInt.asIntN],
  ] as const) {
    test(`${type}: every operator on every pair of bytes`, () => {
      const operators = Object.entries(table);
      using running = start(
        `import { arrayOf, global } from "wirescript/kernel";
         export let left: u8 = 0;
         export const results = global(struct({ ${operators.map((_, index) => `r${index}: arrayOf(u64, 256)`).join(", ")} }));
         export const p = xdp(() => {
           const a = ${type}(left);
           for (let round = 0; round < 256; round++) {
             const b = ${type}(round);
             ${operators.map(([text], index) => `results.r${index}[round] = u64(${text});`).join("\n")}
           }
           return XDP_PASS;
         });`,
      );
      const globals = running.object.globals as { left: number; results: Record<string, bigint[]> };
      for (let left = 0; left < 256; left++) {
        globals.left = left;
        expect(running.run(frame()).action).toBe(2);
        const a = wrap(8, BigInt(left));
        const { results } = globals;
        operators.forEach(([, meaning], index) => {
          const expected = Array.from({ length: 256 }, (_, right) => u(meaning(a, wrap(8, BigInt(right)))));
          // Compared as one text first: the matcher would take minutes for all of them.
          if (String(results[`r${index}`]) !== String(expected)) {
            expect(results[`r${index}`], `${operators[index]?.[0]} with a = ${a}`).toEqual(expected);
          }
        });
      }
    });
  }

  test("operators with a constant on the right", () => {
    for (const b of [0n, 1n, 3n, 8n, 255n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn]) {
      const operators = Object.entries(UNSIGNED).filter(([text]) => text.includes("b"));
      for (const a of [0n, 1n, 200n, 0xffff_ffffn, -1n]) {
        const stores = operators.map(([text], index) => `out.r${index} = ${text.replaceAll("b", String(b))};`).join("\n");
        const fields = operators.map((_, index) => `r${index}: u64`).join(", ");
        const { packet } = runOnce(
          `const input = ctx.at(u64, 16); const out = ctx.at(Out, 24); if (!input || !out) return XDP_DROP;
           const a = input.value; ${stores} return XDP_PASS;`,
          frame([a], 24 + operators.length * 8),
          `const Out = struct({ ${fields} });`,
        );
        operators.forEach(([text, meaning], index) => {
          expect(word(packet, 1 + index), `${text} with a = ${a}, b = ${b}`).toBe(u(meaning(a, b)));
        });
      }
    }
  });
});

const WIDTHS = { u8: [8, false], u16: [16, false], u32: [32, false], i8: [8, true], i16: [16, true], i32: [32, true] } as const;

describe.skipIf(noKernel)(`wrapping${withoutKernel}`, () => {
  for (const [type, [bits, signed]] of Object.entries(WIDTHS)) {
    const wrap = (value: bigint) => u(signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value));
    test(`${type}: casts, variables, parameters, results, fields, ++ and +=`, () => {
      for (const value of INTERESTING) {
        const { packet } = runOnce(
          `const input = ctx.at(u64, 16);
           const out = ctx.at(Out, 24);
           const field = ctx.at(${type}, 90);
           if (!input || !out || !field) return XDP_DROP;
           out.cast = ${type}(input.value);
           let variable: ${type} = input.value + 0;
           out.variable = variable;
           variable++;
           out.stepped = variable;
           variable += input.value * 3;
           out.added = variable;
           out.passed = pass(input.value + 0);
           out.returned = give(input.value);
           field.value = input.value + 0;
           out.field = field.value;
           out.chained = (field.value = input.value + 1);
           return XDP_PASS;`,
          frame([value], 100),
          `const Out = struct({ cast: i64, variable: i64, stepped: i64, added: i64, passed: i64, returned: i64, field: i64, chained: i64 });
           function pass(x: ${type}): i64 { return x; }
           function give(x: u64): ${type} { return x + 0; }`,
        );
        const [cast, variable, stepped, added, passed, returned, field, chained] = [1, 2, 3, 4, 5, 6, 7, 8].map((index) =>
          word(packet, index),
        );
        expect({ cast, variable, stepped, added, passed, returned, field, chained }, `of ${value}`).toEqual({
          cast: wrap(value),
          variable: wrap(value),
          stepped: wrap(value + 1n),
          added: wrap(wrap(value + 1n) + value * 3n),
          passed: wrap(value),
          returned: wrap(value),
          field: wrap(value),
          chained: u(value + 1n), // the value of an assignment is its right side
        });
      }
    });
  }
});
