/** What the passes make of random functions is still accepted by the verifier, and does in the kernel what the function meant. */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { assertProperty } from "../../../test/property.ts";
import { RandomInKernel } from "../../../test/random-in-kernel.ts";
import type { ObjectSpec } from "../../object/spec.ts";
import { load } from "../../runtime/load.ts";
import { compile } from "../compile.ts";
import type { Function } from "../ir/ir.ts";
import { printFunction } from "../ir/print.ts";
import { suitVerifier } from "../suit-verifier.ts";
import { interpreted, packets, randomFunction, tapes } from "../testing/random-function.ts";
import { optimise, PASSES } from "./pipeline.ts";

const XDP_PASS = 2;
const isRoot = process.getuid?.() === 0 && process.platform === "linux";
const runs = Number(process.env.WIRESCRIPT_RUNS ?? 500);

const kernel = isRoot ? new RandomInKernel() : null;

function sameInKernel(change: (fn: Function) => void, numRuns: number): void {
  assertProperty(
    fc.property(tapes, packets, (tape, packet) => {
      const fn = randomFunction(tape);
      const before = printFunction(fn);
      const expected = JSON.stringify(interpreted(fn, packet));
      change(fn);
      suitVerifier(fn);
      try {
        const outcome = JSON.stringify(kernel?.run(fn, packet, 3).outcome);
        if (outcome !== expected) throw new Error(`${expected}\n${outcome}`);
      } catch (error) {
        throw new Error(`${before}\n${printFunction(fn)}\n${String(error)}`);
      }
    }),
    { numRuns },
  );
}

/** The shipped program, as an object that pins nothing. */
function echo(disabledPasses: string[]): ObjectSpec {
  const { spec } = compile(new URL("../../programs/echo.bpf.ts", import.meta.url).pathname, { disabledPasses });
  return { ...spec, maps: spec.maps.map((map) => ({ ...map, pinning: "none" as const })) };
}

afterAll(() => kernel?.[Symbol.dispose]());

describe.skipIf(!isRoot)("optimised functions in the kernel (needs root on Linux)", () => {
  test.each(["none", ...PASSES.map(({ name }) => name)])(
    "echo.bpf.ts loads and passes a short packet on: %s off",
    async (name) => {
      await using object = await load(echo([name]));
      expect(object.programs.echo?.run(new Uint8Array(14)).action).toBe(XDP_PASS);
    },
  );

  test("echo.bpf.ts loads with no pass at all", async () => {
    await using object = await load(echo(PASSES.map(({ name }) => name)));
    expect(object.programs.echo?.run(new Uint8Array(14)).action).toBe(XDP_PASS);
  });

  test("with all passes", { timeout: 600_000 }, () => sameInKernel((fn) => optimise(fn), runs));
  test.each(PASSES.map(({ name }) => name))("without %s", { timeout: 600_000 }, (name) => {
    sameInKernel((fn) => optimise(fn, { disabled: [name] }), runs / 10);
  });
  test.each(PASSES.map(({ name, run }) => [name, run] as const))("%s alone", { timeout: 600_000 }, (_, run) => {
    sameInKernel(run, runs / 10);
  });
});
