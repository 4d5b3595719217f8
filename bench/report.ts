/** The results as a person reads them. */
import { LEVELS, type Level } from "./clang.ts";
import { type Figures, geometricMean, METRICS } from "./figures.ts";
import type { LoadTime } from "./load-time.ts";
import type { Machine } from "./machine.ts";
import type { ProgramName } from "./programs.ts";
import { table } from "./table.ts";
import { COPIES, type Method, ROUNDS, type Timing } from "./timing.ts";
import { type TunnelResults, tunnelReport } from "./tunnel-contest.ts";

/** A program in C, at all of clang's levels. */
export interface TheirResult {
  /** The least of each over the levels. */
  least: Figures;
  /** The level that is timed: the one with the fewest instructions. */
  best: Level;
  levels: Partial<Record<Level, Figures>>;
}

export interface PathResult {
  path: string;
  /** Instructions executed for one packet; clang's: the least over its levels. */
  ours: number;
  plain: number;
}

export interface ProgramResult {
  program: ProgramName;
  ours: Figures;
  /** The C as one writes it. */
  plain: TheirResult;
  /** The C with packed fields widened by hand; null where there is no such version. */
  wide: TheirResult | null;
  paths: PathResult[];
}

export interface TimingResult extends Timing {
  program: ProgramName;
  path: string;
  method: Method;
}

export interface Counts {
  machine: Machine;
  programs: ProgramResult[];
}

export interface Results extends Counts {
  timings: TimingResult[];
  /** Packets on which ours and theirs were found to agree before anything was measured. */
  comparedPackets: number;
  /** Null when the balancer was left out. */
  tunnel: TunnelResults | null;
  /** Milliseconds of `wirescript load` of echo. */
  load: LoadTime;
}

export function report(results: Results): string {
  const tunnel = results.tunnel === null ? [] : [tunnelReport(results.tunnel)];
  return [countsReport(results), agreementText(results), timingsText(results), ...tunnel, loadText(results.load), ""].join(
    "\n\n",
  );
}

/** Everything that needs no clock. */
export function countsReport({ machine, programs }: Counts): string {
  return [machineText(machine), ...METRICS.map((metric) => figuresText(metric, programs)), summaryText(programs)].join("\n\n");
}

export function machineText(machine: Machine): string {
  const jit = machine.jit === "0" ? "BPF interpreted" : "BPF compiled to machine code";
  return [
    `${machine.cpu} (${machine.architecture}, ${machine.cpus} CPUs), Linux ${machine.kernel}, ${jit}`,
    `${machine.clang}, Node.js ${machine.node}, ${machine.date}`,
  ].join("\n");
}

const TITLES: Record<keyof Figures, string> = {
  instructions: "Instructions",
  jitedBytes: "Machine code (bytes)",
  processed: "Processed by the verifier",
  executed: "Executed per packet",
};

function figuresText(metric: keyof Figures, programs: readonly ProgramResult[]): string {
  const show = (figures: Figures | undefined): string => (figures === undefined ? "-" : round(figures[metric]));
  const ratio = (ours: Figures, theirs: Figures | undefined): string =>
    theirs === undefined ? "-" : (ours[metric] / theirs[metric]).toFixed(2);
  const rows = programs.map(({ program, ours, plain, wide }) => [
    program,
    show(ours),
    show(plain.least),
    ...LEVELS.map((level) => show(plain.levels[level])),
    ratio(ours, plain.least),
    show(wide?.least),
    ratio(ours, wide?.least),
  ]);
  const { plain, wide } = means(metric, programs);
  const blank = LEVELS.map(() => "");
  rows.push(["geometric mean", "", "", ...blank, plain.toFixed(2), "", Number.isNaN(wide) ? "-" : wide.toFixed(2)]);
  return table([TITLES[metric], "ours", "clang's best", ...LEVELS, "ratio", "widened C", "ratio"], rows);
}

interface Means {
  plain: number;
  /** NaN when no program has a widened version. */
  wide: number;
}

function means(metric: keyof Figures, programs: readonly ProgramResult[]): Means {
  const widened = programs.flatMap(({ ours, wide }) => (wide === null ? [] : [ours[metric] / wide.least[metric]]));
  return {
    plain: geometricMean(programs.map(({ ours, plain }) => ours[metric] / plain.least[metric])),
    wide: geometricMean(widened),
  };
}

function summaryText(programs: readonly ProgramResult[]): string {
  const rows = METRICS.map((metric) => {
    const ratios = programs.map(({ program, ours, plain }) => ({ program, ratio: ours[metric] / plain.least[metric] }));
    const worst = ratios.reduce((a, b) => (b.ratio > a.ratio ? b : a));
    const lost = ratios.filter(({ ratio }) => ratio > 1).map(({ program }) => program);
    const mean = means(metric, programs);
    return [
      TITLES[metric],
      mean.plain.toFixed(2),
      Number.isNaN(mean.wide) ? "-" : mean.wide.toFixed(2),
      `${worst.ratio.toFixed(2)} ${worst.program}`,
      lost.length === 0 ? "none" : lost.join(" "),
    ];
  });
  return [
    table(["Ours by clang's", "geometric mean", "widened C", "worst", "ours is larger"], rows),
    "",
    "clang -O2, the best of its levels for each figure; ours for v3. Below 1, ours is smaller. Instructions are slots of 8 bytes, as the",
    "kernel counts them; executed ones are counted by the interpreter of bytecode, without what helpers do, as the mean of the paths that",
    '"npm run bench" times. "Widened C" is C with packed fields copied and compared by hand in wider pieces, where clang goes byte by byte.',
  ].join("\n");
}

function agreementText({ comparedPackets }: Results): string {
  return `All of the C leaves the same verdicts, bytes and maps as ours for ${comparedPackets} packets a program, at every level.`;
}

function timingsText({ timings, programs }: Results): string {
  const executed = new Map(
    programs.flatMap(({ program, paths }) => paths.map((each) => [`${program}: ${each.path}`, each] as const)),
  );
  const rows = timings.map(({ program, path, method, ours, theirs, nothing, ratio, quartiles }) => {
    const counted = executed.get(`${program}: ${path}`);
    return [
      `${program}: ${path}${method === "single" ? " *" : ""}`,
      ours.toFixed(1),
      theirs.toFixed(1),
      nothing.toFixed(1),
      ratio.toFixed(2),
      quartiles.map((each) => each.toFixed(2)).join(" to "),
      `${counted?.ours ?? "-"}`,
      `${counted?.plain ?? "-"}`,
    ];
  });
  const mean = geometricMean(timings.map(({ ratio }) => ratio));
  rows.push(["geometric mean", "", "", "", mean.toFixed(2), "", "", ""]);
  const levels = programs.map(({ program, plain }) => `${program} ${plain.best}`).join(", ");
  const header = ["ns per packet (test run)", "ours", "clang's", "only return", "ratio", "half of the rounds"];
  return [
    table([...header, "executed: ours", "clang's"], rows),
    "",
    `In turns, ${ROUNDS} rounds, ${COPIES} copies of each, means of the middle half; ratio: ours by clang's, below 1 ours is faster. "only return" is a program`,
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

/** One place behind the point where there is something behind it. */
function round(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
