/** Which numbers of a loop need no place in memory: those that follow from how often it has gone round. */
import { phisOf } from "../ir/edges.ts";
import type { Value } from "../ir/ir.ts";
import type { NaturalLoop } from "../ir/loops.ts";
import { constantOf, U64_MAX, upperBound } from "../ir/range.ts";
import type { Bounds } from "./known-bounds.ts";

export interface Counter {
  phi: Value;
  start: Value;
  step: bigint;
}

/**
 * How many rounds the loop begins at most each time that it is entered, as the front end said of its counter; `null` when that is lost. Where an
 * inner loop has become one with the loop around it, the edges of the outer one do not count on, and nothing is known of their rounds together.
 */
export function declaredRounds(loop: NaturalLoop): number | null {
  for (const phi of phisOf(loop.header)) {
    const rounds = [...broughtTo(phi, loop).next].map((value) => (value.args.includes(phi) ? value.rounds : undefined));
    if (rounds.every((each) => each !== undefined)) return Math.max(...rounds);
  }
  return null;
}

/** What a phi of the loop's first block is when the loop begins, and when it goes on. */
function broughtTo(phi: Value, { header, latches }: NaturalLoop): Record<"start" | "next", ReadonlySet<Value>> {
  const start = new Set<Value>();
  const next = new Set<Value>();
  for (const [index, block] of header.predecessors.entries()) {
    (latches.includes(block) ? next : start).add(phi.args[index] as Value); // phis have an argument for each
  }
  return { start, next };
}

/** Integers that every round changes by the same constant. */
export function countersOf(loop: NaturalLoop): Counter[] {
  return phisOf(loop.header).flatMap((phi): Counter[] => {
    const { start, next } = broughtTo(phi, loop);
    const [only, other] = next;
    const [first, second] = start;
    if (phi.type !== "int" || only?.op !== "add" || other !== undefined) return [];
    // Of several starts a phi is made, which is as good; only this many are looked for.
    if (first === undefined || second !== undefined) return [];
    const [left, right] = only.args as [Value, Value];
    const step = left === phi ? right : left;
    if ((left !== phi && right !== phi) || step.op !== "const") return [];
    return [{ phi, start: first, step: step.value }];
  });
}

/** The smallest and the largest number that each counter can be in a loop of so many rounds, where it is known. */
export function boundsOf(counters: readonly Counter[], rounds: number): ReadonlyMap<Value, Bounds> {
  const bounds = new Map<Value, Bounds>();
  for (const { phi, start, step } of counters) {
    const [first, distance] = [upperBound(start), step * BigInt(rounds - 1)];
    const constant = constantOf(start);
    if (step > 0n && first + distance <= U64_MAX) bounds.set(phi, { least: constant ?? 0n, most: first + distance });
    // Downwards it may pass zero, unless it is known where it begins.
    if (step < 0n && constant !== null && constant + distance >= 0n)
      bounds.set(phi, { least: constant + distance, most: constant });
  }
  return bounds;
}

/** The same of the counters of all loops in `loop`, as far as it is known how often those are run. */
export function boundsInside({ inner }: NaturalLoop): ReadonlyMap<Value, Bounds> {
  const own = inner.flatMap((loop) => {
    const rounds = declaredRounds(loop);
    return rounds === null ? [] : [...boundsOf(countersOf(loop), rounds)];
  });
  return new Map([...own, ...inner.flatMap((loop) => [...boundsInside(loop)])]);
}
