/**
 * Nanoseconds per packet in BPF_PROG_TEST_RUN: no device, no driver, the program and the little that the kernel does around it.
 *
 * A repeated test run hands the program the packet that its last round left behind. That is right where the program leaves it alone
 * (`repeated`: the kernel's average over many rounds). An answered ping is no request any more in the second round, so there each
 * round is a call of its own (`single`), which also times the reading of the clock and an indirect call, and has colder caches: its
 * figures are larger and compare only with each other.
 *
 * The kernel gives whole nanoseconds, rounded down; the mean of the middle half of many such figures is finer than one of them, and
 * does not care for interrupts. Machines drift (frequency, neighbours on the host), so the programs take turns, each time in another
 * order, and with them one that only returns: what that takes is in every figure, and no compiler can change it. A clock around the system call would be no better: a repeated run makes the kernel rewrite its XDP
 * dispatcher, which takes a thousand times longer than what is measured, and never the same.
 *
 * Where in memory the machine code happens to lie can make a nanosecond, so each program is there several times, and rounds take turns
 * among the copies.
 */
import type { LoadedProgram } from "../src/runtime/program.ts";

export type Method = "repeated" | "single";

export interface Timing {
  /** Nanoseconds per packet. */
  ours: number;
  theirs: number;
  /** Of a program that only returns. */
  nothing: number;
  /** Ours by theirs: below 1, ours is faster. */
  ratio: number;
  /** Half of the rounds have quotients between these. */
  quartiles: [number, number];
}

/** Copies of each program. */
export type Contest = Record<"ours" | "theirs" | "nothing", readonly LoadedProgram[]>;

export const COPIES = 4;

const REPEATS = { repeated: 50_000, single: 400 } as const;
export const ROUNDS = 48;
/** In which three programs take turns here. */
const ORDERS = 6;

export function time(programs: Contest, packet: Uint8Array, method: Method): Timing {
  const measure = method === "repeated" ? repeated : single;
  const names = ["ours", "theirs", "nothing"] as const;
  const samples = { ours: [] as number[], theirs: [] as number[], nothing: [] as number[] };
  // Once for nothing: caches, the branch predictor, Node.js compiling this.
  for (const name of names) for (const program of programs[name]) measure(program, packet);
  for (let round = 0; round < ROUNDS; round++) {
    const rotated = [...names.slice(round % 3), ...names.slice(0, round % 3)];
    const order = round % 2 === 0 ? rotated : rotated.reverse();
    for (const name of order) samples[name].push(measure(copyFor(programs[name], round), packet));
  }
  const ratios = samples.ours.map((each, round) => each / (samples.theirs[round] ?? Number.NaN)).sort((a, b) => a - b);
  const [ours, theirs, nothing] = [middleMean(samples.ours), middleMean(samples.theirs), middleMean(samples.nothing)];
  const quartiles: Timing["quartiles"] = [ratios[ROUNDS / 4] ?? Number.NaN, ratios[(ROUNDS * 3) / 4] ?? Number.NaN];
  return { ours, theirs, nothing, ratio: ours / theirs, quartiles };
}

/** Each copy for as many rounds as there are orders. */
function copyFor(copies: readonly LoadedProgram[], round: number): LoadedProgram {
  const copy = copies[Math.floor(round / ORDERS) % copies.length];
  if (copy === undefined) throw new Error("a contest without programs");
  return copy;
}

function repeated(program: LoadedProgram, packet: Uint8Array): number {
  return program.run(packet, { repeat: REPEATS.repeated }).duration;
}

function single(program: LoadedProgram, packet: Uint8Array): number {
  return middleMean(Array.from({ length: REPEATS.single }, () => program.run(packet).duration));
}

/** The mean of the middle half. */
function middleMean(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice(Math.floor(sorted.length / 4), Math.ceil((sorted.length * 3) / 4));
  return middle.reduce((sum, each) => sum + each, 0) / middle.length;
}
