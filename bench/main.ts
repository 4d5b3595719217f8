/**
 * The benchmark: the same programs in TypeScript through our compiler and in C through clang, side by side in one run on the kernel of
 * this machine. Prints tables, and keeps them as JSON in bench/results/latest.json.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT_STATUS, WirescriptError } from "../src/errors.ts";
import { firstDifference } from "./behaviour.ts";
import { type Clang, findClang, missingForC } from "./clang.ts";
import { type Contender, loadOurs, loadTheirs, PROGRAMS, type ProgramName, type Theirs } from "./contenders.ts";
import { corpus } from "./corpus.ts";
import { timeLoad } from "./load-time.ts";
import { describeMachine } from "./machine.ts";
import { loadNothing } from "./nothing.ts";
import { type ProgramResult, type Results, report, type TimingResult } from "./report.ts";
import { time } from "./timing.ts";
import { WORKLOADS } from "./workloads.ts";

const RESULTS = fileURLToPath(new URL("results/latest.json", import.meta.url));

/** @returns the exit status. */
export async function main(): Promise<number> {
  // With a handler Ctrl-C no longer ends this process at once: the measurement that it interrupts cleans up first.
  process.on("SIGINT", () => process.exit(EXIT_STATUS.INTERRUPTED));
  try {
    const clang = clangOrRefuse();
    const results = await run(clang);
    mkdirSync(dirname(RESULTS), { recursive: true });
    writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
    process.stdout.write(`\n${report(results)}Written to ${relative(process.cwd(), RESULTS)}.\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof WirescriptError)) throw error;
    process.stderr.write(`error: ${error.message}\n  why: ${error.why ?? ""}\n  fix: ${error.fix ?? ""}\n`);
    return EXIT_STATUS[error.code];
  }
}

/** @throws WirescriptError when there is nothing to measure or to compare with. */
function clangOrRefuse(): Clang {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new WirescriptError({
      code: process.platform === "linux" ? "NO_PRIVILEGES" : "UNSUPPORTED_SYSTEM",
      what: "The benchmark cannot run here.",
      why: "It loads programs into the Linux kernel, and that needs root.",
      fix: "Run it on Linux as root: sudo npm run bench",
    });
  }
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

async function run(clang: Clang): Promise<Results> {
  // Node.js 20 has no DisposableStack.
  const opened: Disposable[] = [];
  const open = <T extends Disposable>(resource: T): T => {
    opened.push(resource);
    return resource;
  };
  try {
    return await measure(clang, open);
  } finally {
    for (const resource of opened.reverse()) resource[Symbol.dispose]();
  }
}

async function measure(clang: Clang, open: <T extends Disposable>(resource: T) => T): Promise<Results> {
  const packets = [...corpus()];
  const pairs = new Map<ProgramName, { ours: Contender; theirs: Theirs }>();
  for (const program of PROGRAMS) {
    await progress(`${program}: compiling, loading, comparing on ${packets.length} packets`);
    const ours = open(loadOurs(program));
    const theirs = open(loadTheirs(program, clang));
    pairs.set(program, { ours, theirs });
    for (const each of theirs.levels.values()) mustAgree(ours, each, packets);
  }
  const programs = [...pairs].map(([program, { ours, theirs }]) => sizes(program, ours, theirs));

  const timings: TimingResult[] = [];
  const nothing = open(loadNothing()).program("nothing");
  for (const { program, path, packet, method } of WORKLOADS) {
    await progress(`${program}: timing, ${path}`);
    const pair = pairs.get(program);
    const best = pair?.theirs.levels.get(pair.theirs.best);
    if (pair === undefined || best === undefined) throw new Error(`${program} was not loaded`);
    const contest = { ours: pair.ours.program, theirs: best.program, nothing };
    timings.push({ program, path, method, ...time(contest, packet, method) });
  }
  await progress("timing wirescript load");
  const load = timeLoad("echo");
  return { machine: describeMachine(clang), programs, timings, comparedPackets: packets.length, load };
}

/** Says what comes next, and lets a Ctrl-C through. */
async function progress(text: string): Promise<void> {
  process.stderr.write(`${text} ...\n`);
  await new Promise(setImmediate);
}

function sizes(program: ProgramName, ours: Contender, { best, least, levels }: Theirs): ProgramResult {
  const each = Object.fromEntries([...levels].map(([level, { size }]) => [level, size]));
  return { program, ours: ours.size, theirs: least, best, levels: each };
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
