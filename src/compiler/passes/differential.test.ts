/** Random functions mean the same before and after every pass, the kernel takes them still, and the passes come to an end. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assertProperty } from "../../../test/property.ts";
import { printFunction } from "../ir/print.ts";
import { findBrokenLaws } from "../ir/validate.ts";
import { suitVerifier } from "../suit-verifier.ts";
import { interpreted, packets, randomFunction, tapes } from "../testing/random-function.ts";
import { optimise, PASSES } from "./pipeline.ts";

const runs = Number(process.env.WIRESCRIPT_RUNS ?? 300);

function sameMeaning(change: (fn: ReturnType<typeof randomFunction>) => void, numRuns: number): void {
  assertProperty(
    fc.property(tapes, packets, (tape, packet) => {
      const fn = randomFunction(tape);
      const before = printFunction(fn);
      const expected = interpreted(fn, packet);
      change(fn);
      const broken = findBrokenLaws(fn);
      if (broken.length > 0) throw new Error(`${broken.join("\n")}\n${before}\n${printFunction(fn)}`);
      const outcome = interpreted(fn, packet);
      if (JSON.stringify(outcome) !== JSON.stringify(expected)) {
        throw new Error(`${before}\n${printFunction(fn)}\n${JSON.stringify([expected, outcome])}`);
      }
    }),
    { numRuns },
  );
}

describe("a pass alone does not change what a function does", () => {
  test.each(PASSES.map(({ name, run }) => [name, run] as const))("%s", (_, run) => sameMeaning(run, runs / 2));
});

describe("the pipeline does not change what a function does", () => {
  test("with all passes", () => sameMeaning((fn) => optimise(fn, { validate: true }), runs));
  test("with all passes, and what is done for the verifier behind them", () => {
    sameMeaning((fn) => {
      optimise(fn);
      suitVerifier(fn);
    }, runs);
  });
  test.each(PASSES.map(({ name }) => name))("without %s", (name) => {
    sameMeaning((fn) => optimise(fn, { disabled: [name], validate: true }), runs / 4);
  });
});

test("the pipeline comes to an end, and running it again changes nothing", () => {
  assertProperty(
    fc.property(tapes, (tape) => {
      const fn = randomFunction(tape);
      expect(optimise(fn)).toBeLessThan(20);
      const once = printFunction(fn);
      expect(optimise(fn)).toBe(0);
      expect(printFunction(fn)).toBe(once);
    }),
    { numRuns: runs / 2 },
  );
});
