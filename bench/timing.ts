/**
 * Nanoseconds per packet in BPF_PROG_TEST_RUN: no device, no driver, the program and the little that the kernel does around it.
 *
 * A repeated test run hands the program the packet that its last round left behind. That is right where the program leaves it alone
 * (`repeated`: the kernel's average over many rounds). An answered ping is no request any more in the second round, so there each
 * round is a call of its own (`single`), which also times the reading of the clock and an indirect call, and has colder caches: its
 * figures are larger and compare only with each other.
 *
 * The kernel gives whole nanoseconds, rounded down; the mean of the middle half of many such figures is finer than one of them, and
 * does not care for interrupts. Machines drift (frequency, neighbours on the host), so both programs take turns in pairs, whose order
 * flips from pair to pair. A clock around the system call would be no better: a repeated run makes the kernel rewrite its XDP
 * dispatcher, which takes a thousand times longer than what is measured, and never the same.
 */
import type { LoadedProgram } from "../src/runtime/program.ts";

export type Method = "repeated" | "single";

export interface Timing {
  /** Nanoseconds per packet. */
  ours: number;
  theirs: number;
  /** Ours by theirs: below 1, ours is faster. */
  ratio: number;
  /** Half of the pairs have quotients between these. */
  quartiles: [number, number];
}

const ROUNDS = { repeated: 50_000, single: 400 } as const;
export const PAIRS = 48;

export function timePair(ours: LoadedProgram, theirs: LoadedProgram, packet: Uint8Array, method: Method): Timing {
  const measure = (program: LoadedProgram) => (method === "repeated" ? repeated(program, packet) : single(program, packet));
  // Once for nothing: caches, the branch predictor, Node.js compiling this.
  measure(ours);
  measure(theirs);
  const mine: number[] = [];
  const other: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    if (pair % 2 === 0) mine.push(measure(ours));
    other.push(measure(theirs));
    if (pair % 2 !== 0) mine.push(measure(ours));
  }
  const ratios = mine.map((each, pair) => each / (other[pair] ?? Number.NaN)).sort((a, b) => a - b);
  return {
    ours: middleMean(mine),
    theirs: middleMean(other),
    ratio: middleMean(mine) / middleMean(other),
    quartiles: [ratios[PAIRS / 4] ?? Number.NaN, ratios[(PAIRS * 3) / 4] ?? Number.NaN],
  };
}

/** What a program that does nothing takes, measured the same way: the part of every figure that no compiler can change. */
export function timeFloor(nothing: LoadedProgram, packet: Uint8Array, method: Method): number {
  return timePair(nothing, nothing, packet, method).ours;
}

function repeated(program: LoadedProgram, packet: Uint8Array): number {
  return program.run(packet, { repeat: ROUNDS.repeated }).duration;
}

function single(program: LoadedProgram, packet: Uint8Array): number {
  return middleMean(Array.from({ length: ROUNDS.single }, () => program.run(packet).duration));
}

/** The mean of the middle half. */
function middleMean(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice(Math.floor(sorted.length / 4), Math.ceil((sorted.length * 3) / 4));
  return middle.reduce((sum, each) => sum + each, 0) / middle.length;
}
