/** `replaceInChecksum`, which echo uses for two changes only, for all of its users: any word into any other, any checksum. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frame, noKernel, start } from "../kernel.ts";
import { SEED } from "../property.ts";

/** RFC 1624, equation 3: HC' = ~(~HC + ~m + m'), in one's complement, folded for as long as there is a carry. */
function equation3(checksum: number, from: number, to: number): number {
  let sum = 0xffff - checksum + (0xffff - from) + to;
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return 0xffff - sum;
}

describe.skipIf(noKernel !== null)(`replaceInChecksum${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  it("is equation 3 of RFC 1624, for words and checksums at every edge and in between", () => {
    using running = start(`
      const Words = struct({ checksum: be16, from: be16, to: be16 });
      export const p = xdp((ctx) => {
        const words = ctx.at(Words, 16);
        if (!words) return XDP_DROP;
        words.checksum = replaceInChecksum(words.checksum, words.from, words.to);
        return XDP_PASS;
      });`);
    const packet = frame([], 22);
    const view = new DataView(packet.buffer);
    const expectRight = (checksum: number, from: number, to: number) => {
      for (const [index, value] of [checksum, from, to].entries()) view.setUint16(16 + 2 * index, value);
      const { packet: after } = running.run(packet);
      const got = new DataView(after.buffer, after.byteOffset).getUint16(16);
      if (got !== equation3(checksum, from, to))
        expect({ checksum, from, to, got }).toEqual({ checksum, from, to, got: equation3(checksum, from, to) });
    };
    const edges = [0, 1, 2, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xff00, 0xfffd, 0xfffe, 0xffff];
    for (const checksum of edges) for (const from of edges) for (const to of edges) expectRight(checksum, from, to);
    const word = fc.integer({ min: 0, max: 0xffff });
    for (const [a, b, c] of fc.sample(fc.tuple(word, word, word), { seed: SEED, numRuns: 50_000 })) expectRight(a, b, c);
  });
});
