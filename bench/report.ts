/** The results as a person reads them. */
import { LEVELS, type Level } from "./clang.ts";
import type { ProgramName, Size } from "./contenders.ts";
import type { LoadTime } from "./load-time.ts";
import type { Machine } from "./machine.ts";
import { table } from "./table.ts";
import { type Method, ROUNDS, type Timing } from "./timing.ts";

export interface ProgramResult {
  program: ProgramName;
  ours: Size;
  /** The least of each over clang's levels. */
  theirs: Size;
  /** The level that is timed: the one with the fewest instructions. */
  best: Level;
  levels: Partial<Record<Level, Size>>;
}

export interface TimingResult extends Timing {
  program: ProgramName;
  path: string;
  method: Method;
}

export interface Results {
  machine: Machine;
  programs: ProgramResult[];
  timings: TimingResult[];
  /** Packets on which ours and theirs were found to agree before anything was measured. */
  comparedPackets: number;
  /** Milliseconds of `wirescript load` of echo. */
  load: LoadTime;
}

export function report(results: Results): string {
  return [machineText(results.machine), sizesText(results), timingsText(results), loadText(results.load), ""].join("\n\n");
}

function machineText(machine: Machine): string {
  const jit = machine.jit === "0" ? "BPF interpreted" : "BPF compiled to machine code";
  return [
    `${machine.cpu} (${machine.architecture}, ${machine.cpus} CPUs), Linux ${machine.kernel}, ${jit}`,
    `${machine.clang}, Node.js ${machine.node}, ${machine.date}`,
  ].join("\n");
}

const SIZES = {
  instructions: "instructions",
  jitedBytes: "machine code (bytes)",
  processed: "processed by the verifier",
} as const;

function sizesText({ programs, comparedPackets }: Results): string {
  const metrics = Object.keys(SIZES) as (keyof Size)[];
  const rows = metrics.flatMap((metric) => {
    const lines = programs.map(({ program, ours, theirs, levels }) => [
      `${program}: ${SIZES[metric]}`,
      `${ours[metric]}`,
      `${theirs[metric]}`,
      ...LEVELS.map((level) => `${levels[level]?.[metric] ?? "-"}`),
      (ours[metric] / theirs[metric]).toFixed(2),
    ]);
    const mean = geometricMean(programs.map(({ ours, theirs }) => ours[metric] / theirs[metric]));
    return [...lines, [`geometric mean: ${SIZES[metric]}`, "", "", ...LEVELS.map(() => ""), mean.toFixed(2)]];
  });
  return [
    table(["Size", "ours", "clang's best", ...LEVELS.map((level) => `-mcpu=${level}`), "ratio"], rows),
    "",
    `The C in bench/c/ leaves the same verdicts, bytes and maps for ${comparedPackets} packets a program. clang -O2, the best of its`,
    "levels for each figure; ours for v3. Instructions are slots of 8 bytes, as the kernel counts them. Below 1, ours is smaller.",
  ].join("\n");
}

function timingsText({ timings, programs }: Results): string {
  const rows = timings.map(({ program, path, method, ours, theirs, nothing, ratio, quartiles }) => [
    `${program}: ${path}${method === "single" ? " *" : ""}`,
    ours.toFixed(1),
    theirs.toFixed(1),
    nothing.toFixed(1),
    ratio.toFixed(2),
    quartiles.map((each) => each.toFixed(2)).join(" to "),
  ]);
  const levels = programs.map(({ program, best }) => `${program} ${best}`).join(", ");
  return [
    table(["ns per packet (test run)", "ours", "clang's", "only return", "ratio", "half of the rounds"], rows),
    "",
    `In turns, ${ROUNDS} rounds, means of the middle half; ratio: ours by clang's, below 1 ours is faster. "only return" is a program`,
    "that does nothing else: that much is in every figure. The kernel rounds down to whole nanoseconds: a few per cent are noise.",
    "* A repeated test run goes on with the rewritten packet, and a reply is not answered again: answered pings are timed one by one,",
    "  which includes reading the clock.",
    `Timed of clang's: ${levels}.`,
  ].join("\n");
}

function loadText({ first, cached, node }: LoadTime): string {
  const rows = [
    ["first, compiling", first],
    ["again, from the cache", cached],
    ["for comparison: node doing nothing", node],
  ] as const;
  return table(
    ["wirescript load of echo", "ms"],
    rows.map(([name, milliseconds]) => [name, milliseconds.toFixed(0)]),
  );
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
