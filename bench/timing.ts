/**
 * Nanoseconds per packet in BPF_PROG_TEST_RUN: no device, no driver, the program and the little that the kernel does around it.
 *
 * A repeated test run hands the program the packet that its last round left behind. That is right where the program leaves it alone
 * (`repeated`: one system call for many rounds, timed from outside, since the kernel rounds its average to whole nanoseconds). An
 * answered ping is no request any more in the second round, so there each round is a call of its own (`single`), timed by the kernel
 * from just before the program to just after; that includes reading the clock and colder caches, so its figures are larger.
 *
 * Machines drift (frequency, neighbours on the host), so both programs take turns, a pair has an order that flips from pair to pair,
 * and what counts is the median over pairs.
 */
import type { LoadedProgram } from "../src/runtime/program.ts";

export type Method = "repeated" | "single";

export interface Timing {
  /** Nanoseconds per packet, medians. */
  ours: number;
  theirs: number;
  /** Median of the pairs' quotients, ours by theirs: below 1, ours is faster. */
  ratio: number;
  /** Half of the pairs' quotients lie between these. */
  quartiles: [number, number];
}

const ROUNDS = { repeated: 200_000, single: 400 } as const;
const PAIRS = 41;

export function timePair(ours: LoadedProgram, theirs: LoadedProgram, packet: Uint8Array, method: Method): Timing {
  const measure = (program: LoadedProgram) => (method === "repeated" ? repeated(program, packet) : single(program, packet));
  // Once for nothing: caches, the branch predictor, Node.js compiling this.
  measure(ours);
  measure(theirs);
  const pairs = Array.from({ length: PAIRS }, (_, index) => {
    if (index % 2 === 0) return [measure(ours), measure(theirs)] as const;
    const second = measure(theirs);
    return [measure(ours), second] as const;
  });
  const ratios = pairs.map(([mine, other]) => mine / other);
  return {
    ours: quantile(
      pairs.map(([mine]) => mine),
      0.5,
    ),
    theirs: quantile(
      pairs.map(([, other]) => other),
      0.5,
    ),
    ratio: quantile(ratios, 0.5),
    quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  };
}

/** What a program that does nothing takes, measured the same way: the part of every figure that no compiler can change. */
export function timeFloor(nothing: LoadedProgram, packet: Uint8Array, method: Method): number {
  return timePair(nothing, nothing, packet, method).ours;
}

function repeated(program: LoadedProgram, packet: Uint8Array): number {
  const start = process.hrtime.bigint();
  program.run(packet, { repeat: ROUNDS.repeated });
  return Number(process.hrtime.bigint() - start) / ROUNDS.repeated;
}

/** The mean of the middle half: single runs are whole nanoseconds, and some are hit by interrupts. */
function single(program: LoadedProgram, packet: Uint8Array): number {
  const durations = Array.from({ length: ROUNDS.single }, () => program.run(packet).duration).sort((a, b) => a - b);
  const middle = durations.slice(ROUNDS.single / 4, (ROUNDS.single * 3) / 4);
  return middle.reduce((sum, each) => sum + each, 0) / middle.length;
}

function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * at)] ?? Number.NaN;
}
