/**
 * How often the verifier walks a function: anew at each call, and calls that loops repeat count for as many rounds as it walks. It has a
 * million instructions for a whole program, so a loop in a function that is called sixteen times may be a sixteenth as long.
 */
import { Dominators } from "../ir/dominators.ts";
import type { Block, Function } from "../ir/ir.ts";
import { findLoops, type NaturalLoop } from "../ir/loops.ts";
import { declaredRounds } from "./counters.ts";

/** Loops of more rounds than this are likely to become callbacks, which are walked a few times. */
const MOST_ROUNDS = 8;

/** By name, as the program that calls each function most. `functions`: all of the module, each behind those that it calls. */
export function walksOf(functions: readonly Function[]): ReadonlyMap<string, number> {
  const most = new Map<string, number>();
  const calls = functions.map((fn) => ({ name: fn.name, calls: callsOf(fn) }));
  const called = new Set(calls.flatMap((each) => [...each.calls.keys()]));
  for (const program of functions.filter(({ name }) => !called.has(name))) {
    const walks = new Map([[program.name, 1]]);
    for (const caller of calls.toReversed()) {
      const own = walks.get(caller.name);
      if (own === undefined) continue;
      for (const [name, times] of caller.calls) walks.set(name, (walks.get(name) ?? 0) + own * times);
    }
    for (const [name, count] of walks) most.set(name, Math.max(most.get(name) ?? 0, count));
  }
  return most;
}

/** How often `fn` calls which subprograms. */
function callsOf(fn: Function): Map<string, number> {
  const calls = new Map<string, number>();
  const calling = fn.blocks.filter(({ instructions }) => instructions.some(({ op }) => op === "call"));
  if (!calling.some((block) => calleesOf(block).length > 0)) return calls;
  const loops = findLoops(new Dominators(fn));
  for (const block of calling) {
    for (const name of calleesOf(block)) calls.set(name, (calls.get(name) ?? 0) + roundsAround(loops, block));
  }
  return calls;
}

function calleesOf({ instructions }: Block): string[] {
  return instructions.flatMap((each) => (each.op === "call" && each.callee !== undefined ? [each.callee] : []));
}

function roundsAround(loops: readonly NaturalLoop[], block: Block): number {
  const loop = loops.find(({ blocks }) => blocks.has(block));
  if (loop === undefined) return 1;
  return Math.min(declaredRounds(loop) ?? MOST_ROUNDS, MOST_ROUNDS) * roundsAround(loop.inner, block);
}
