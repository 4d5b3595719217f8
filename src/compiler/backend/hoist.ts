/**
 * Makes small constants before a branch instead of behind it, where that saves a jump or an exit:
 *
 *     if c goto A;  …;  A: r0 = 2; exit        becomes        r0 = 2; if c goto the next exit
 *
 * Registers are assigned already, so it is plain whether the register is free on the other path.
 */
import type { Bits } from "./bits.ts";
import { isBareExit } from "./layout.ts";
import { liveness } from "./liveness.ts";
import {
  forEachRead,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  predecessors,
  RESULT,
  reads,
  successors,
  writes,
} from "./machine.ts";
import { isHomeStore, isNeeded } from "./preset.ts";

const MOST_HOISTED = 2;

/** Copies and constants in a block of their own between a branch and a join. Whether anything changed. */
export function hoistCopies(fn: MachineFunction): boolean {
  return hoist(fn, ["const", "mov"]);
}

/** The same for constants alone, before registers are assigned: one of its own is found for what is made earlier. */
export function hoistConstants(fn: MachineFunction): void {
  hoist(fn, ["const"]);
}

/** The same for numbers that are written to their homes; before places on the stack are shared. */
export function hoistStores(fn: MachineFunction): void {
  hoist(fn, ["store"]);
}

function hoist(fn: MachineFunction, movable: readonly MachineInstruction["op"][]): boolean {
  let changed = false;
  const before = predecessors(fn.blocks);
  let live = liveness(fn);
  for (const block of fn.blocks) {
    const [from, another] = before.get(block) ?? [];
    const { terminator, instructions } = block;
    if (from === undefined || another !== undefined || terminator.op !== "jump" || from.terminator.op !== "branch") continue;
    if (instructions.length === 0 || instructions.length > MOST_HOISTED) continue;
    const join = terminator.target;
    // Where only branches lead, this block may fall through to the join for free.
    if (join === block || !before.get(join)?.some((other) => other !== block && other.terminator.op === "jump")) continue;
    const branch = from.terminator;
    const other = branch.then === block ? branch.otherwise : branch.then;
    if (!instructions.every(({ op }) => movable.includes(op)) || !canMove(instructions, branch, other, live.liveIn(other)))
      continue;
    from.instructions.push(...instructions);
    block.instructions = [];
    live = liveness(fn);
    changed = true;
  }
  return changed;
}

function canMove(
  instructions: readonly MachineInstruction[],
  branch: MachineBlock["terminator"],
  other: MachineBlock,
  liveOther: Bits,
): boolean {
  const read = new Set<number>();
  forEachRead(branch, (register) => read.add(register));
  return instructions.every((instruction) => {
    if (isHomeStore(instruction)) return !isNeeded(instruction.slot, other);
    if (!("dst" in instruction)) return false;
    return !read.has(instruction.dst) && !liveOther.has(instruction.dst);
  });
}

/** Sets a constant return value ahead of the branches that lead to it, so that they can go to any exit. */
export function presetResult(fn: MachineFunction): boolean {
  const exits = fn.blocks.filter(isEnd);
  if (exits.length < 2) return false;
  const before = predecessors(fn.blocks);
  const candidates = exits
    .filter(({ instructions: [only, second] }) => only?.op === "const" && only.dst === RESULT && second === undefined)
    .sort((a, b) => (before.get(b)?.length ?? 0) - (before.get(a)?.length ?? 0));
  const { liveOut } = liveness(fn);
  const dominators = findDominators(fn, before);
  for (const exit of candidates) {
    const sources = before.get(exit) as MachineBlock[];
    const place = sources.reduce((left, right) => commonDominator(dominators, left, right));
    const between = blocksBetween(place, exit, before);
    if (between.has(place) || exit === fn.blocks[0]) continue;
    const free = [...between].every((block) => !touches(block, RESULT) && !liveOut(block).has(RESULT));
    if (!free || liveOut(place).has(RESULT) || reads(place.terminator, RESULT)) continue;
    place.instructions.push(...exit.instructions);
    exit.instructions = [];
    return true;
  }
  return false;
}

/** Ends the program, possibly in an exit that it shares with others. */
function isEnd({ terminator, instructions }: MachineBlock): boolean {
  if (terminator.op === "exit") return instructions.length > 0;
  return terminator.op === "jump" && isBareExit(terminator.target);
}

function touches(block: MachineBlock, register: number): boolean {
  const { instructions, terminator } = block;
  return reads(terminator, register) || instructions.some((each) => reads(each, register) || writes(each, register));
}

/** Blocks on a way from behind `from` to `to`, both ends apart unless a cycle leads through them. */
export function blocksBetween(
  from: MachineBlock,
  to: MachineBlock,
  before: Map<MachineBlock, MachineBlock[]>,
): Set<MachineBlock> {
  const backwards = reach(before.get(to) ?? [], (block) => before.get(block) ?? []);
  const forwards = reach(successors(from), successors);
  return new Set([...backwards].filter((block) => forwards.has(block)));
}

function reach(start: readonly MachineBlock[], next: (block: MachineBlock) => readonly MachineBlock[]): Set<MachineBlock> {
  const reached = new Set<MachineBlock>();
  const waiting = [...start];
  for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
    if (reached.has(block)) continue;
    reached.add(block);
    waiting.push(...next(block));
  }
  return reached;
}

interface Dominators {
  order: Map<MachineBlock, number>;
  immediate: Map<MachineBlock, MachineBlock>;
}

/** Source: Cooper, Harvey & Kennedy, "A Simple, Fast Dominance Algorithm" (2001). */
export function findDominators(fn: MachineFunction, before: Map<MachineBlock, MachineBlock[]>): Dominators {
  const entry = fn.blocks[0] as MachineBlock;
  const postorder: MachineBlock[] = [];
  const seen = new Set([entry]);
  const stack = [{ block: entry, next: successors(entry) }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const successor = top.next.pop();
    if (successor === undefined) {
      postorder.push(top.block);
      stack.pop();
    } else if (!seen.has(successor)) {
      seen.add(successor);
      stack.push({ block: successor, next: successors(successor) });
    }
  }
  const dominators: Dominators = {
    order: new Map(postorder.map((block, index) => [block, index])),
    immediate: new Map([[entry, entry]]),
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of postorder.toReversed()) {
      if (block === entry) continue;
      const known = (before.get(block) ?? []).filter((each) => dominators.immediate.has(each));
      const next = known.reduce((left, right) => commonDominator(dominators, left, right));
      if (dominators.immediate.get(block) === next) continue;
      dominators.immediate.set(block, next);
      changed = true;
    }
  }
  return dominators;
}

export function commonDominator({ order, immediate }: Dominators, left: MachineBlock, right: MachineBlock): MachineBlock {
  const number = (block: MachineBlock): number => order.get(block) as number;
  const up = (block: MachineBlock): MachineBlock => immediate.get(block) as MachineBlock;
  let [a, b] = [left, right];
  while (a !== b) {
    if (number(a) < number(b)) a = up(a);
    else b = up(b);
  }
  return a;
}
