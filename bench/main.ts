/**
 * The benchmark: the same programs in TypeScript through our compiler and in C through clang, side by side in one run on the kernel of
 * this machine. Prints tables, and keeps them as JSON in bench/results/latest.json.
 *
 * With `--counts` it only counts: seconds instead of minutes, no clock and no comparison of behaviour (which test/bench.test.ts has
 * too), for daily work on the compiler; with `--maps` it measures how fast maps are read instead (map-speed.ts); with `--balancer` the
 * balancer beside others (tunnel-contest.ts, balancer-rates.ts); with `--api` its API under many clients (api.ts). Names of programs leave out the others.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT_STATUS, WirescriptError } from "../src/errors.ts";
import { firstDifference } from "./behaviour.ts";
import { type Clang, findClang, isWritten, missingForC } from "./clang.ts";
import { type Contender, loadAgain, loadOurs, loadTheirs, type Theirs } from "./contenders.ts";
import { corpus } from "./corpus.ts";
import { timeLoad } from "./load-time.ts";
import { describeMachine } from "./machine.ts";
import { enterNetwork } from "./network.ts";
import { loadNothing } from "./nothing.ts";
import { PROGRAMS, type ProgramName } from "./programs.ts";
import {
  type Counts,
  countsReport,
  machineText,
  type PathResult,
  type ProgramResult,
  type Results,
  report,
  type TheirResult,
  type TimingResult,
} from "./report.ts";
import { COPIES, type Contest, time } from "./timing.ts";
import { contestTunnels, tunnelReport } from "./tunnel-contest.ts";
import { WORKLOADS } from "./workloads.ts";

const RESULTS = fileURLToPath(new URL("results/latest.json", import.meta.url));
const MAPS = fileURLToPath(new URL("results/maps.json", import.meta.url));
const BALANCER = fileURLToPath(new URL("results/balancer.json", import.meta.url));
const API = fileURLToPath(new URL("results/api.json", import.meta.url));
const COUNTS = fileURLToPath(new URL("results/counts.json", import.meta.url));

/** @returns the exit status. */
export async function main(args: readonly string[] = process.argv.slice(2)): Promise<number> {
  // With a handler Ctrl-C no longer ends this process at once: the measurement that it interrupts cleans up first.
  process.on("SIGINT", () => process.exit(EXIT_STATUS.INTERRUPTED));
  try {
    const [command, argument] = args;
    if (command === "--write-events") return await (await import("./write-events.ts")).writeEvents(Number(argument));
    if (command === "--maps") return await maps();
    if (command === "--balancer") return await balancer();
    if (command === "--api") return await api();
    const clang = clangOrRefuse();
    const programs = chosen(args.filter((each) => each !== "--counts"));
    if (args.includes("--counts")) {
      const counts = await count(clang, programs);
      keep(COUNTS, counts);
      process.stdout.write(`\n${countsReport(counts)}\n\nWritten to ${relative(process.cwd(), COUNTS)}.\n`);
      return 0;
    }
    const results = await inOrder((open) => measure(clang, programs, open));
    keep(RESULTS, results);
    process.stdout.write(`\n${report(results)}Written to ${relative(process.cwd(), RESULTS)}.\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof WirescriptError)) throw error;
    process.stderr.write(`error: ${error.message}\n  why: ${error.why ?? ""}\n  fix: ${error.fix ?? ""}\n`);
    return EXIT_STATUS[error.code];
  }
}

/** How the balancer's API bears up. Needs no compiler of C. */
async function api(): Promise<number> {
  rootOrRefuse();
  const { apiReport, measureApi } = await import("./api.ts");
  const results = await measureApi(progress);
  keep(API, results);
  process.stdout.write(`\n${apiReport(results)}\n\nWritten to ${relative(process.cwd(), API)}.\n`);
  return 0;
}

/** How fast maps are read. Needs no compiler. */
async function maps(): Promise<number> {
  rootOrRefuse();
  const { mapReport, measureMaps } = await import("./map-speed.ts");
  const results = await measureMaps(progress);
  keep(MAPS, results);
  process.stdout.write(`\n${mapReport(results)}\n\nWritten to ${relative(process.cwd(), MAPS)}.\n`);
  return 0;
}

/** The balancer beside others: its tunnel beside C, and packets per second on a wire. */
async function balancer(): Promise<number> {
  const clang = clangOrRefuse();
  const { measureRates, ratesReport } = await import("./balancer-rates.ts");
  const tunnel = await inOrder((open) => contestTunnels(clang, open, progress));
  const rates = await measureRates(progress);
  const results = { machine: describeMachine(clang), tunnel, rates };
  keep(BALANCER, results);
  const text = [machineText(results.machine), tunnelReport(tunnel), ratesReport(rates)].join("\n\n");
  process.stdout.write(`\n${text}\n\nWritten to ${relative(process.cwd(), BALANCER)}.\n`);
  return 0;
}

/** @throws WirescriptError USAGE for a name that is none. */
function chosen(names: readonly string[]): readonly ProgramName[] {
  const unknown = names.find((name) => !(PROGRAMS as readonly string[]).includes(name));
  if (unknown === undefined) return names.length === 0 ? PROGRAMS : PROGRAMS.filter((program) => names.includes(program));
  throw new WirescriptError({
    code: "USAGE",
    what: `There is no program "${unknown}" in the benchmark.`,
    why: `It has ${PROGRAMS.join(", ")}.`,
    fix: "Name one of these, or --counts, or nothing for all of them.",
  });
}

function keep(file: string, results: object): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

/** @throws WirescriptError */
function rootOrRefuse(): void {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new WirescriptError({
      code: process.platform === "linux" ? "NO_PRIVILEGES" : "UNSUPPORTED_SYSTEM",
      what: "The benchmark cannot run here.",
      why: "It loads programs into the Linux kernel, and that needs root.",
      fix: "Run it on Linux as root: sudo npm run bench",
    });
  }
}

/** @throws WirescriptError when there is nothing to measure or to compare with. */
function clangOrRefuse(): Clang {
  rootOrRefuse();
  const clang = findClang();
  const missing = missingForC(clang);
  if (clang !== null && missing === null) return clang;
  throw new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: "The benchmark was skipped: there is nothing to compare with.",
    why: `The C counterparts cannot be compiled: ${missing}`,
    fix: "Install clang-19 and the headers: apt install clang-19 libbpf-dev linux-libc-dev libc6-dev",
  });
}

type Open = <T extends Disposable>(resource: T) => T;

/** Closes what `work` opened, the last first. Node.js 20 has no DisposableStack. */
async function inOrder<T>(work: (open: Open) => Promise<T>): Promise<T> {
  const opened: Disposable[] = [];
  try {
    return await work((resource) => {
      opened.push(resource);
      return resource;
    });
  } finally {
    for (const resource of opened.reverse()) resource[Symbol.dispose]();
  }
}

interface Pair {
  ours: Contender;
  plain: Theirs;
  wide: Theirs | null;
}

function load(program: ProgramName, clang: Clang, open: Open): Pair {
  return {
    ours: open(loadOurs(program)),
    plain: open(loadTheirs(program, clang)),
    wide: isWritten(program, "wide") ? open(loadTheirs(program, clang, undefined, "wide")) : null,
  };
}

async function count(clang: Clang, programs: readonly ProgramName[]): Promise<Counts> {
  const results: ProgramResult[] = [];
  for (const program of programs) {
    await progress(program);
    results.push(await inOrder(async (open) => resultOf(program, load(program, clang, open))));
  }
  return { machine: describeMachine(clang), programs: results };
}

async function measure(clang: Clang, programs: readonly ProgramName[], open: Open): Promise<Results> {
  const machine = describeMachine(clang); // in another network /proc tells less
  enterNetwork();
  const packets = [...corpus()];
  const pairs = new Map<ProgramName, Pair>();
  for (const program of programs) {
    await progress(`${program}: compiling, loading, comparing on ${packets.length} packets`);
    const pair = load(program, clang, open);
    pairs.set(program, pair);
    for (const theirs of [pair.plain, pair.wide]) {
      for (const each of theirs?.levels.values() ?? []) mustAgree(pair.ours, each, packets);
    }
  }

  const timings: TimingResult[] = [];
  const others = Array.from({ length: COPIES - 1 });
  const copiesOf = (program: ProgramName, first: Contender) => [
    first.program,
    ...others.map(() => open(loadAgain(program, first)).program),
  ];
  const nothing = Array.from({ length: COPIES }, () => open(loadNothing()).program("nothing"));
  const contests = new Map<ProgramName, Contest>();
  for (const { program, path, packet, method } of WORKLOADS) {
    const pair = pairs.get(program);
    const best = pair?.plain.levels.get(pair.plain.best);
    if (pair === undefined || best === undefined) continue; // not chosen
    await progress(`${program}: timing, ${path}`);
    const contest = contests.get(program) ?? { ours: copiesOf(program, pair.ours), theirs: copiesOf(program, best), nothing };
    contests.set(program, contest);
    timings.push({ program, path, method, ...time(contest, packet, method) });
  }
  const tunnel = programs.includes("balancer") ? await contestTunnels(clang, open, progress) : null;
  await progress("timing wirescript load");
  return {
    machine,
    programs: [...pairs].map(([program, pair]) => resultOf(program, pair)),
    timings,
    comparedPackets: packets.length,
    tunnel,
    load: timeLoad("echo"),
  };
}

/** Says what comes next, and lets a Ctrl-C through. */
async function progress(text: string): Promise<void> {
  process.stderr.write(`${text} ...\n`);
  await new Promise(setImmediate);
}

function resultOf(program: ProgramName, { ours, plain, wide }: Pair): ProgramResult {
  const workloads = WORKLOADS.filter((each) => each.program === program);
  const paths = workloads.map(
    ({ path }, index): PathResult => ({
      path,
      ours: ours.paths[index] ?? Number.NaN,
      plain: plain.leastPaths[index] ?? Number.NaN,
    }),
  );
  return { program, ours: ours.figures, plain: theirResult(plain), wide: wide === null ? null : theirResult(wide), paths };
}

function theirResult({ best, least, levels }: Theirs): TheirResult {
  return { least, best, levels: Object.fromEntries([...levels].map(([level, { figures }]) => [level, figures])) };
}

function mustAgree(ours: Contender, theirs: Contender, packets: readonly Uint8Array[]): void {
  const difference = firstDifference(ours, theirs, packets);
  if (difference === null) return;
  throw new WirescriptError({
    code: "INTERNAL",
    what: difference,
    why: "Programs that differ cannot be compared: either our compiler or the C counterpart is wrong.",
    fix: "Please report it with the packet above.",
  });
}
