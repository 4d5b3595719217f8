/** What the passes make of random functions is still accepted by the verifier, and does in the kernel what the function meant. */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { encode } from "../../object/encoding.ts";
import { MAP_TYPE, type ObjectSpec } from "../../object/spec.ts";
import { load } from "../../runtime/load.ts";
import { relocate } from "../../runtime/relocate.ts";
import { Fd, type MapFd, mapCreate, mapLookup, mapUpdate, programLoad, programTestRun } from "../../sys/bpf.ts";
import { generate } from "../backend/generate.ts";
import { compile } from "../compile.ts";
import type { Function } from "../ir/ir.ts";
import { printFunction } from "../ir/print.ts";
import {
  hex,
  interpreted,
  keyBytes,
  MAP_ENTRIES,
  MAP_VALUE,
  type Outcome,
  packets,
  randomFunction,
  startOfMap,
  tapes,
} from "../testing/random-function.ts";
import { optimise, PASSES } from "./pipeline.ts";

const XDP = 6;
const XDP_PASS = 2;
const isRoot = process.getuid?.() === 0 && process.platform === "linux";
const runs = Number(process.env.WIRESCRIPT_RUNS ?? 500);
const seed = process.env.WIRESCRIPT_SEED === undefined ? {} : { seed: Number(process.env.WIRESCRIPT_SEED) };

let counters: MapFd | null = null;

function inKernel(fn: Function, packet: Uint8Array): Outcome {
  counters ??= mapCreate({
    name: `passes_${process.pid}`,
    type: MAP_TYPE.ARRAY,
    keySize: 4,
    valueSize: MAP_VALUE,
    maxEntries: MAP_ENTRIES,
    flags: 0,
  });
  const map = counters;
  for (const [index, value] of startOfMap().entries()) mapUpdate(map, keyBytes(index), value, 0);
  const { instructions } = generate(fn, { cpu: 3 });
  const functions = [{ name: fn.name, instructions, typeId: 0, lines: [] }];
  const code = encode(relocate({ name: fn.name, section: "xdp", type: "xdp", functions }, new Map([["counters", map]])));
  const loaded = programLoad({
    name: "passes",
    type: XDP,
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    instructions: code,
  });
  if (!(loaded instanceof Fd)) throw new Error(`rejected (errno ${loaded.errno})\n${loaded.log.slice(-3000)}`);
  using program = loaded;
  const run = programTestRun({ program, packet, repeat: 1 });
  const values = startOfMap().map((value, index) => {
    mapLookup(map, keyBytes(index), value);
    return hex(value);
  });
  return { value: run.value, packet: hex(run.packet), counters: values.join(" ") };
}

function sameInKernel(change: (fn: Function) => void, numRuns: number): void {
  fc.assert(
    fc.property(tapes, packets, (tape, packet) => {
      const fn = randomFunction(tape);
      const before = printFunction(fn);
      const expected = JSON.stringify(interpreted(fn, packet));
      change(fn);
      try {
        const outcome = JSON.stringify(inKernel(fn, packet));
        if (outcome !== expected) throw new Error(`${expected}\n${outcome}`);
      } catch (error) {
        throw new Error(`${before}\n${printFunction(fn)}\n${String(error)}`);
      }
    }),
    { numRuns, ...seed },
  );
}

/** The shipped program, as an object that pins nothing. */
function echo(disabledPasses: string[]): ObjectSpec {
  const { spec } = compile(new URL("../../programs/echo.bpf.ts", import.meta.url).pathname, { disabledPasses });
  return { ...spec, maps: spec.maps.map((map) => ({ ...map, pinning: "none" as const })) };
}

afterAll(() => counters?.[Symbol.dispose]());

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
