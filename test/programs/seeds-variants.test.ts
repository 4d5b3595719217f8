/**
 * The seeds' programs compiled differently, against themselves as they are shipped: for each instruction set, with all passes and with
 * none, they load, and do the same to every kind of packet and to their maps.
 */
import { release } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firstDifference } from "../../bench/behaviour.ts";
import { type Contender, loadOurs } from "../../bench/contenders.ts";
import { corpus } from "../../bench/corpus.ts";
import type { ProgramName } from "../../bench/programs.ts";
import type { CompileOptions } from "../../src/compiler/compile.ts";
import { PASSES } from "../../src/compiler/passes/pipeline.ts";
import { noKernel } from "../kernel.ts";

const SEEDS = [
  ...(["redirect", "redirect-map", "patch-ports", "vlan-swap"] as const),
  ...(["tcpfilter", "portfilter", "flow-counters", "protocol-counter"] as const),
  ...(["flow-counters-tx", "metadata-xdp", "metadata-tc"] as const),
] satisfies ProgramName[];

const NONE = PASSES.map(({ name }) => name);
const VARIANTS: [name: string, options: CompileOptions][] = ([1, 2, 3, 4] as const).flatMap((cpu) => [
  [`for cpu v${cpu}`, { cpu }],
  [`for cpu v${cpu}, not optimised`, { cpu, disabledPasses: NONE }],
]);

describe.skipIf(noKernel !== null)(
  `the seeds' programs compiled differently${noKernel === null ? "" : ` (skipped: ${noKernel})`}`,
  () => {
    const shipped = new Map<ProgramName, Contender>();
    // Every kind is there several times, behind other tags: a seventh is enough.
    const packets = [...corpus()].filter((_, index) => index % 7 === 0);
    beforeAll(() => {
      for (const program of SEEDS) shipped.set(program, loadOurs(program));
    });
    afterAll(() => {
      for (const each of shipped.values()) each[Symbol.dispose]();
    });

    for (const [name, options] of VARIANTS) {
      const [major = 0, minor = 0] = release().split(".").map(Number);
      const unknown = options.cpu === 4 && (major < 6 || (major === 6 && minor < 6));
      it.skipIf(unknown).each(SEEDS)(`%s ${name}${unknown ? " (skipped: needs Linux 6.6)" : ""}`, (program) => {
        using variant = loadOurs(program, undefined, options);
        const original = shipped.get(program);
        if (original === undefined) throw new Error(`${program} was not loaded`);
        expect(firstDifference(variant, original, packets)).toBeNull();
      });
    }
  },
);
