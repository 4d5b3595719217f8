/** `replaceInChecksum` against RFC 1624 as it is written. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { frame, noKernel, start, withoutKernel, word } from "../kernel.ts";
import { assertProperty } from "../property.ts";

/** One's complement addition of 16-bit numbers. */
const add = (a: number, b: number) => ((a + b) & 0xffff) + ((a + b) >> 16);
const complement = (a: number) => ~a & 0xffff;
const updated = (checksum: number, from: number, to: number) =>
  complement(add(add(complement(checksum), complement(from)), to));

describe.skipIf(noKernel)(`replaceInChecksum${withoutKernel}`, () => {
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
    assertProperty(
      fc.property(any, any, any, (a, b, c) => run(a, b, c) === updated(a, b, c)),
      { numRuns: 3000 },
    );
  });
});

describe.skipIf(noKernel)(`checksums of whole headers and words${withoutKernel}`, () => {
  /** Runs `result`, an expression of `io.checksum`, `io.from` and `io.to`, on the kernel. */
  const kernel = (result: string, work: (run: (checksum: number, from: number, to: number) => number) => void) => {
    using running = start(
      `import { applyToChecksum, applyToUdpChecksum, checksumDifference, checksumWordDifference, ipv4Checksum, replaceInUdpChecksum, replaceWordInChecksum, replaceWordInUdpChecksum } from "wirescript/net";
       const InOut = struct({ checksum: u64, from: u64, to: u64, result: u64 });
       export const p = xdp((ctx) => {
         const io = ctx.at(InOut, 16);
         if (!io) return XDP_DROP;
         io.result = ${result};
         return XDP_PASS;
       });`,
    );
    work((checksum, from, to) =>
      Number(word(running.run(frame([BigInt(checksum), BigInt(from), BigInt(to), 0n], 64)).packet, 3)),
    );
  };
  const halves = (value: number): [number, number] => [value >>> 16, value & 0xffff];
  const updatedByWord = (checksum: number, from: number, to: number) => {
    const [[fromHigh, fromLow], [toHigh, toLow]] = [halves(from), halves(to)];
    return updated(updated(checksum, fromHigh, toHigh), fromLow, toLow);
  };
  const asUdp = (old: number, value: number) => (old === 0 ? 0 : value === 0 ? 0xffff : value);
  const words = [0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffff0000, 0xfffffffe, 0xffffffff];
  const checksums = [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff];

  test("a changed 32-bit word is the same as its halves, one after the other, but for the two forms of zero", () => {
    kernel("replaceWordInChecksum(u16(io.checksum), u32(io.from), u32(io.to))", (run) => {
      const same = (a: number, b: number) => a === b || (a % 0xffff === 0 && b % 0xffff === 0);
      const check = (checksum: number, from: number, to: number) =>
        same(run(checksum, from, to), updatedByWord(checksum, from, to));
      for (const a of checksums)
        for (const b of words) for (const c of words) expect(check(a, b, c), `${a} ${b} ${c}`).toBe(true);
      const [any16, any32] = [fc.nat(0xffff), fc.nat(0xffffffff)];
      assertProperty(fc.property(any16, any32, any32, check), { numRuns: 3000 });
    });
  });

  test.each([
    ["0x0800", "0x0000"],
    ["0x8000", "0x8100"],
    ["0xffff", "0xffff"],
    ["0x0000", "0xffff"],
    ["0xffff", "0x0000"],
    ["0x0100", "0x0001"],
  ])("words that are known, %s and %s", (from, to) => {
    kernel(`replaceInChecksum(u16(io.checksum), ${from}, ${to})`, (run) => {
      for (const a of [...checksums, ...Array.from({ length: 300 }, (_, index) => index * 218)]) {
        expect(run(a, 0, 0), `${a}`).toBe(updated(a, Number(from), Number(to)));
      }
    });
  });

  test("differences add up", () => {
    const sum = "checksumWordDifference(u32(io.from), u32(io.to)) + checksumDifference(u16(io.to), u16(io.from))";
    const [any16, any32] = [fc.nat(0xffff), fc.nat(0xffffffff)];
    const both = (checksum: number, from: number, to: number) => {
      const [[fromHigh, fromLow], [toHigh, toLow]] = [halves(from), halves(to)];
      let total = 0xffff - checksum + (0xffff - fromHigh) + (0xffff - fromLow) + toHigh + toLow + (0xffff - toLow) + fromLow;
      while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
      return 0xffff - total;
    };
    kernel(`applyToChecksum(u16(io.checksum), ${sum})`, (run) => {
      for (const a of checksums) for (const b of words) for (const c of words) expect(run(a, b, c)).toBe(both(a, b, c));
      assertProperty(
        fc.property(any16, any32, any32, (a, b, c) => run(a, b, c) === both(a, b, c)),
        { numRuns: 2000 },
      );
    });
    kernel(`applyToUdpChecksum(u16(io.checksum), ${sum})`, (run) => {
      for (const a of checksums) for (const b of words) expect(run(a, b, 0)).toBe(asUdp(a, both(a, b, 0)));
    });
  });

  test("sums of differences are exact up to 2^46, next to each multiple of 0xffff too", () => {
    const swapped = (value: number) => ((value & 0xff) << 8) | (value >> 8);
    const expected = (checksum: number, difference: number) => {
      const total = 0xffff - swapped(checksum) + difference;
      return swapped(0xffff - (total === 0 ? 0 : ((total - 1) % 0xffff) + 1));
    };
    const sums = [0, 1, 2, 3, 0xffff, 0x10000, 0x10001, 2 ** 16 + 1, 2 ** 30 - 1, 2 ** 30 - 0x10000].flatMap((quotient) =>
      [-0xffff, -0xfffe, -2, -1, 0, 1, 2, 0x7fff, 0x8000, 0xfffe].map((rest) => quotient * 0xffff + rest),
    );
    const work = (run: (checksum: number, from: number, to: number) => number, of: typeof expected) => {
      for (const a of checksums.flatMap((value) => [value, swapped(value)])) {
        for (const b of sums) if (b >= 0) expect(run(a, b, 0), `${a} ${b}`).toBe(of(a, b));
      }
      assertProperty(
        fc.property(fc.nat(0xffff), fc.maxSafeNat(), (a, b) => run(a, b % 2 ** 46, 0) === of(a, b % 2 ** 46)),
        { numRuns: 2000 },
      );
    };
    kernel("applyToChecksum(u16(io.checksum), io.from)", (run) => work(run, expected));
    kernel("applyToUdpChecksum(u16(io.checksum), io.from)", (run) => work(run, (a, b) => asUdp(a, expected(a, b))));
  });

  test("all words of a remainder", () => {
    kernel("replaceInUdpChecksum(u16(io.checksum), u16(io.from), 0xff01)", (run) => {
      for (let a = 0; a < 0x10000; a += 7) expect(run(a, 0xff00, 0), `${a}`).toBe(asUdp(a, updated(a, 0xff00, 0xff01)));
    });
  });

  test("UDP's none stays none, and none of its checksums becomes it", () => {
    kernel("replaceInUdpChecksum(u16(io.checksum), u16(io.from), u16(io.to))", (run) => {
      for (const a of checksums) {
        for (const b of checksums) {
          for (const c of checksums) expect(run(a, b, c)).toBe(asUdp(a, updated(a, b, c)));
        }
      }
    });
    kernel("replaceWordInUdpChecksum(u16(io.checksum), u32(io.from), u32(io.to))", (run) => {
      for (const a of words) for (const b of words) expect(run(0, a, b)).toBe(0);
      for (const a of words) for (const b of words) expect(run(0xffff, a, b)).not.toBe(0);
    });
  });

  test("a header with its checksum adds up, for every checksum that there is", () => {
    using running = start(
      `import { ipv4Checksum } from "wirescript/net";
       export const p = xdp((ctx) => {
         const ip = ctx.at(IPv4, 14);
         if (!ip) return XDP_DROP;
         ip.checksum = ipv4Checksum(ip);
         return XDP_PASS;
       });`,
    );
    const packet = new Uint8Array(34);
    packet.set(
      [0x45, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x12, 0x34, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      14,
    );
    const seen = new Set<number>();
    for (let id = 0; id < 0x10000; id++) {
      packet.set([id >> 8, id & 0xff], 18);
      const header = running.run(packet).packet.subarray(14);
      let sum = 0;
      for (let at = 0; at < 20; at += 2) sum = add(sum, ((header[at] as number) << 8) | (header[at + 1] as number));
      if (sum !== 0xffff) expect(sum, `id ${id}`).toBe(0xffff);
      seen.add(((header[10] as number) << 8) | (header[11] as number));
    }
    expect(seen.size).toBe(0xffff);
  });
});
