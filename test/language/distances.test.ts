/** Views at distances that paths bring along: the verifier must take them all, also where it is kept from following each path by itself. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noKernel, start, withoutKernel } from "../kernel.ts";
import { assertProperty } from "../property.ts";

const INPUT = 16;
const LENGTH = 400;

/** A step of the program, and what it adds to the sum. */
interface Step {
  text: string;
  adds(packet: DataView, distance: number): number;
}

/** Reads a number behind the distance; nothing where the packet ends before. */
function reading(offset: string, place: (packet: DataView) => number): Step {
  return {
    text: `{ const cell = ctx.at(Cell, at + ${offset}); if (cell) sum += cell.b; }`,
    adds: (packet, distance) => {
      const at = distance + place(packet);
      return at + 7 <= packet.byteLength ? packet.getUint16(at + 1, true) : 0;
    },
  };
}

const kindOf = (packet: DataView) => packet.getUint8(INPUT);
const small = (packet: DataView) => packet.getUint8(INPUT + 1);
const large = (packet: DataView) => packet.getUint16(INPUT + 2, true);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.nat(300).map((constant) => reading(`${constant}`, () => constant)),
  fc.integer({ min: 1, max: 300 }).map((factor) => reading(`n * ${factor}`, (packet) => small(packet) * factor)),
  fc.nat(15).map((mask) => reading(`(n & ${mask}) * 4`, (packet) => (small(packet) & mask) * 4)),
  fc.nat(0xffff).map((mask) => reading(`(w & ${mask})`, (packet) => large(packet) & mask)),
  fc.nat(0xffff).map((limit) => ({
    text: `if (w <= ${limit}) { const cell = ctx.at(Cell, at + w); if (cell) sum += cell.a; }`,
    adds: (packet: DataView, distance: number) => {
      const at = distance + large(packet);
      return large(packet) <= limit && at + 7 <= packet.byteLength ? packet.getUint8(at) : 0;
    },
  })),
);

function program(distances: readonly number[], steps: readonly Step[]): string {
  const choices = distances
    .map((distance, kind) => (kind === 0 ? "" : `if (kind === ${kind}) at = ${distance};`))
    .join(" else ");
  return `const Input = struct({ kind: u8, n: u8, w: u16, out: u64 });
    const Cell = struct({ a: u8, b: u16, c: u32 });
    export const p = xdp((ctx) => {
      const io = ctx.at(Input, ${INPUT});
      if (!io) return XDP_DROP;
      const { kind, n, w } = io;
      let at: u32 = ${distances[0]};
      ${choices.replace(/^ else /, "")}
      let sum: u64 = 0;
      ${steps.map(({ text }) => text).join("\n      ")}
      io.out = sum;
      return XDP_PASS;
    });`;
}

describe.skipIf(noKernel)(`distances${withoutKernel}`, () => {
  test("of constants that paths bring, and what is reckoned with them", () => {
    const input = fc.record({
      distances: fc.array(fc.nat(255), { minLength: 2, maxLength: 4 }),
      steps: fc.array(step, { minLength: 4, maxLength: 14 }),
      inputs: fc.array(fc.tuple(fc.nat(4), fc.nat(255), fc.nat(0xffff)), { minLength: 4, maxLength: 4 }),
    });
    assertProperty(
      fc.property(input, ({ distances, steps, inputs }) => {
        using running = start(program(distances, steps));
        for (const [kind, n, w] of inputs) {
          const packet = Uint8Array.from({ length: LENGTH }, (_, index) => index * 7 + kind);
          const view = new DataView(packet.buffer);
          view.setUint8(INPUT, kind);
          view.setUint8(INPUT + 1, n);
          view.setUint16(INPUT + 2, w, true);
          const distance = distances[kindOf(view)] ?? (distances[0] as number); // at least two
          const sum = steps.reduce((total, each) => total + each.adds(view, distance), 0);
          const result = running.run(packet);
          const out = new DataView(result.packet.buffer, result.packet.byteOffset).getBigUint64(INPUT + 4, true);
          expect([result.action, out]).toEqual([2, BigInt(sum)]);
        }
      }),
      { numRuns: Number(process.env.WIRESCRIPT_RUNS ?? 40) },
    );
  });
});
