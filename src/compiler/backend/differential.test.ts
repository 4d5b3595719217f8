/**
 * Random programs, compiled and run by the kernel, must do what the interpreter says, on every instruction set. The programs are
 * made from a tape of numbers, so that fast-check can shrink a failure by shortening the tape.
 */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { assertProperty } from "../../../test/property.ts";
import { RandomInKernel } from "../../../test/random-in-kernel.ts";
import { disassemble } from "../../object/disassemble.ts";
import { printFunction } from "../ir/print.ts";
import { validate } from "../ir/validate.ts";
import { interpreted, packets, randomFunction, tapes } from "../testing/random-function.ts";
import { generate } from "./generate.ts";
import type { Cpu } from "./machine.ts";

/** What the programs' own slots take; more means that registers were spilled. */
const SLOT_BYTES = 40;
const isRoot = process.getuid?.() === 0 && process.platform === "linux";

describe.skipIf(!isRoot)("compiled programs do in the kernel what their IR says (needs root on Linux)", () => {
  const runs = Number(process.env.WIRESCRIPT_RUNS ?? 2000);
  const kernel = isRoot ? new RandomInKernel() : null;
  afterAll(() => kernel?.[Symbol.dispose]());

  test.each<Cpu>([1, 2, 3, 4])("cpu v%i", { timeout: 1_200_000 }, (cpu) => {
    let spilling = 0;
    assertProperty(
      fc.property(tapes, packets, (tape, packet) => {
        const fn = randomFunction(tape);
        validate(fn);
        const before = printFunction(fn);
        const run = kernel?.run(fn, packet, cpu);
        const expected = interpreted(fn, packet);
        if (JSON.stringify(run?.outcome) !== JSON.stringify(expected)) {
          const code = disassemble(generate(fn, { cpu }).instructions).join("\n");
          throw new Error(`${before}\n${code}\n${JSON.stringify([run?.outcome, expected])}`);
        }
        if (run !== undefined && run.stackBytes > SLOT_BYTES) spilling++;
        expect(printFunction(fn)).toBe(before);
      }),
      // Shrinking a failure may take longer than anybody waits.
      {
        numRuns: runs / 4,
        interruptAfterTimeLimit: 300_000,
        markInterruptAsFailure: true,
      },
    );
    // The programs are worth the trouble: many need more registers than there are.
    expect(spilling).toBeGreaterThan(runs / 4 / 10);
  });
});
