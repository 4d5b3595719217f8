/** `replaceInChecksum` against RFC 1624 as it is written. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { frame, noKernel, start, word } from "../kernel.ts";

/** One's complement addition of 16-bit numbers. */
const add = (a: number, b: number) => ((a + b) & 0xffff) + ((a + b) >> 16);
const complement = (a: number) => ~a & 0xffff;
const updated = (checksum: number, from: number, to: number) =>
  complement(add(add(complement(checksum), complement(from)), to));

describe.skipIf(noKernel)("replaceInChecksum", () => {
  test("is HC' = ~(~HC + ~m + m') for extreme and random words", () => {
    using running = start(
      `const InOut = struct({ checksum: u64, from: u64, to: u64, result: u64 });
       export const p = xdp((ctx) => {
         const io = ctx.at(InOut, 16);
         if (!io) return XDP_DROP;
         io.result = replaceInChecksum(u16(io.checksum), u16(io.from), u16(io.to));
         return XDP_PASS;
       });`,
    );
    const run = (checksum: number, from: number, to: number) =>
      Number(word(running.run(frame([BigInt(checksum), BigInt(from), BigInt(to), 0n], 64)).packet, 3));
    const extremes = [0, 1, 0xff, 0x100, 0x7fff, 0x8000, 0xfffe, 0xffff];
    for (const a of extremes) for (const b of extremes) for (const c of extremes) expect(run(a, b, c)).toBe(updated(a, b, c));
    const any = fc.nat(0xffff);
    fc.assert(
      fc.property(any, any, any, (a, b, c) => run(a, b, c) === updated(a, b, c)),
      { numRuns: 3000, seed: 3 },
    );
  });
});
