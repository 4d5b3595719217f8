/**
 * Keeps the verifier from walking every combination of flags. It follows each constant that a path brings to where paths meet, so a
 * function with many `if (…) flag = 1` whose flags are tested later is walked once for each combination of them. Where an estimate says that
 * this is too much, the flags go through the stack in a way that the verifier does not follow: it then sees one state where it saw two.
 *
 * Only numbers are forgotten that prove nothing: no part of an address or of a helper's argument, and no test in front of an access.
 */
import { Dominators } from "../ir/dominators.ts";
import { phisOf } from "../ir/edges.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { BINARY_OPS, COMPARE_OPS, isBinary, isCompare } from "../ir/ir.ts";
import { reversePostorder } from "../ir/order.ts";
import { replaceUses } from "../ir/uses.ts";
import { decisiveValues } from "./decisive.ts";
import { emitInto, forgottenAt, newWord, readPlace, writePlace } from "./stack-place.ts";

/** Instructions that the verifier may walk for the paths of one function, of its million. */
const WALK_BUDGET = 200_000;

/** True when anything had to be forgotten. */
export function forgetFlags(fn: Function): boolean {
  const flags = flagsOf(fn);
  if (flags.size === 0 || walkOf(fn, flags) <= WALK_BUDGET) return false;
  const proofs = proofsOf(fn);
  const forgotten = [...flags].filter((flag) => !proofs.has(flag));
  if (forgotten.length === 0) return false;
  const slot = newWord(fn);
  for (const block of fn.blocks) {
    const own = phisOf(block).filter((phi) => forgotten.includes(phi));
    for (const phi of own) passThroughStack(fn, block, phi, slot);
  }
  return true;
}

/**
 * Numbers in which the paths that meet differ, as far as the verifier sees: one of them brings what it knows, a constant or what is made of
 * constants, and a test depends on it.
 */
function flagsOf(fn: Function): Set<Value> {
  const dominators = new Dominators(fn);
  const decisive = decisiveValues(fn);
  const known = new Set<Value>();
  const flags = new Set<Value>();
  for (const block of reversePostorder(fn)) {
    const isMeeting = block.predecessors.length > 1 && !dominators.isLoopHeader(block);
    for (const value of block.instructions) {
      const { op, args, type } = value;
      if (op === "const" || (COMPUTES.has(op) && args.every((each) => known.has(each)))) known.add(value);
      if (op !== "phi" || !isMeeting || type === "ptr" || !args.some((each) => known.has(each))) continue;
      known.add(value);
      if (decisive.has(value)) flags.add(value);
    }
  }
  return flags;
}

const COMPUTES: ReadonlySet<string> = new Set([...BINARY_OPS, ...COMPARE_OPS, "zext", "sext"]);

/** About how many instructions the verifier walks: each block once for each combination of the flags that are still of use there. */
function walkOf(fn: Function, flags: ReadonlySet<Value>): number {
  const live = liveFlags(fn, flags);
  const differing = new Map<Value, number>();
  const states = new Map<Block, number>();
  let walked = 0;
  for (const block of reversePostorder(fn)) {
    for (const flag of phisOf(block)) {
      if (!flags.has(flag)) continue;
      const brought = [...new Set(flag.args)].map((each) => differing.get(each) ?? 1);
      differing.set(flag, Math.min(MOST_STATES, sumOf(brought)));
    }
    for (const value of block.instructions) {
      if (!COMPUTES.has(value.op)) continue;
      differing.set(
        value,
        Math.min(
          MOST_STATES,
          value.args.reduce((product, each) => product * (differing.get(each) ?? 1), 1),
        ),
      );
    }
    const arriving = sumOf(block.predecessors.map((each) => states.get(each) ?? 0));
    const combinations = [...(live.get(block) ?? [])].reduce((product, flag) => product * (differing.get(flag) ?? 1), 1);
    const here = Math.max(1, Math.min(arriving, combinations, MOST_STATES));
    states.set(block, here);
    walked += here * (block.instructions.length + 1);
  }
  return walked;
}

/** More than this is too many, whatever comes of it. */
const MOST_STATES = 2 ** 30;

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

/** The flags on which something depends that is computed in a block or behind it. */
function liveFlags(fn: Function, flags: ReadonlySet<Value>): Map<Block, Set<Value>> {
  const behind = new Map<Value, ReadonlySet<Value>>();
  const order = reversePostorder(fn);
  // What each number is made of; a flag counts as itself.
  for (const block of order) {
    for (const value of block.instructions) {
      const made =
        value.op === "load" || value.op === "call" ? [] : value.args.flatMap((each) => [...(behind.get(each) ?? [])]);
      behind.set(value, flags.has(value) ? new Set([value]) : new Set(made));
    }
  }
  const live = new Map<Block, Set<Value>>();
  for (const block of order.toReversed()) {
    const needed = new Set(block.terminator.targets.flatMap((target) => [...(live.get(target) ?? [])]));
    const users = [...block.instructions.filter(({ op }) => op !== "phi"), block.terminator];
    for (const { args } of users) for (const value of args) for (const flag of behind.get(value) ?? []) needed.add(flag);
    for (const target of block.terminator.targets) {
      for (const phi of phisOf(target)) {
        const argument = phi.args[target.predecessors.indexOf(block)];
        for (const flag of argument === undefined ? [] : (behind.get(argument) ?? [])) needed.add(flag);
      }
    }
    live.set(block, needed);
  }
  return live;
}

/** Numbers from which the verifier learns that an access is in bounds, or what a helper is given. */
function proofsOf(fn: Function): Set<Value> {
  const dominators = new Dominators(fn);
  const waiting: Value[] = [];
  for (const block of fn.blocks) {
    for (const { op, args, type } of block.instructions) {
      if (op === "call" || (isBinary(op) && type === "ptr")) waiting.push(...args);
    }
    const [left, right] = block.terminator.targets;
    if (left === undefined || right === undefined) continue;
    const guarded = [left, right].filter((target) => target.predecessors.length === 1);
    const guardsAccess = fn.blocks.some(
      (each) => guarded.some((target) => dominators.dominates(target, each)) && each.instructions.some(touchesMemory),
    );
    if (guardsAccess) waiting.push(...block.terminator.args);
  }
  const proofs = new Set<Value>();
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (proofs.has(value)) continue;
    proofs.add(value);
    if (value.op !== "load" && value.op !== "call") waiting.push(...value.args);
    // A number that is compared with one that matters may be what bounds it.
    for (const block of fn.blocks) {
      for (const { op, args } of block.instructions) if (isCompare(op) && args.includes(value)) waiting.push(...args);
    }
  }
  return proofs;
}

function touchesMemory(instruction: Instruction): boolean {
  return instruction.op === "call" || "region" in instruction;
}

/** Writes `phi` where the verifier does not remember it, and reads it back for all who use it. */
function passThroughStack(fn: Function, block: Block, phi: Value, slot: Value): void {
  const made: Instruction[] = [];
  const emit = emitInto(made, fn, phi.span);
  const place = forgottenAt(0, phi);
  writePlace(emit, slot, place, phi);
  const read = readPlace(emit, slot, place, phi.type);
  replaceUses(fn, phi, read);
  block.instructions.splice(phisOf(block).length, 0, ...made);
}
