/**
 * Writes a constant that several branches bring to its home (`homes.ts`) ahead of all of them: they go to where it is used at once, and the
 * path that brings something else writes over it. Runs before registers are assigned and places on the stack are shared.
 */
import { blocksBetween, commonDominator, findDominators } from "./hoist.ts";
import {
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  predecessors,
  replaceBlocks,
  type Slot,
  successors,
} from "./machine.ts";

export function presetHomes(fn: MachineFunction): void {
  mergeEqual(fn);
  for (const block of fn.blocks) {
    const [store, another] = block.instructions;
    const { terminator } = block;
    if (store === undefined || another !== undefined || terminator.op !== "jump" || !isHomeStore(store)) continue;
    const before = predecessors(fn.blocks);
    const sources = before.get(block) ?? [];
    const others = before.get(terminator.target) ?? [];
    if (sources.length < 2 || !others.some((other) => other !== block && other.terminator.op === "jump")) continue;
    const dominators = findDominators(fn, before);
    const place = sources.reduce((left, right) => commonDominator(dominators, left, right));
    const between = [...blocksBetween(place, block, before)];
    const isFree = !between.some((each) => each === place || each.instructions.some((one) => isStoreTo(one, store.slot)));
    if (!isFree || successors(place).some((next) => isNeeded(store.slot, next))) continue;
    place.instructions.push(store);
    block.instructions = [];
  }
}

/** Edges that bring the same constant to the same place go there through one block. */
function mergeEqual(fn: MachineFunction): void {
  const models: MachineBlock[] = [];
  const replacement = new Map<MachineBlock, MachineBlock>();
  for (const block of fn.blocks.slice(1)) {
    const model = models.find((other) => bringsTheSame(block, other));
    if (model !== undefined) replacement.set(block, model);
    else if (bringsTheSame(block, block)) models.push(block);
  }
  replaceBlocks(fn, replacement);
}

function bringsTheSame({ instructions: [left, more], terminator: one }: MachineBlock, other: MachineBlock): boolean {
  const [right, another] = other.instructions;
  if (left === undefined || right === undefined || more !== undefined || another !== undefined) return false;
  if (one.op !== "jump" || other.terminator.op !== "jump" || one.target !== other.terminator.target) return false;
  return isHomeStore(left) && isHomeStore(right) && left.slot === right.slot && left.imm === right.imm;
}

/** Can the constant be written earlier? */
export function isHomeStore(instruction: MachineInstruction): instruction is MachineInstruction & { op: "store"; slot: Slot } {
  return instruction.op === "store" && instruction.src === null && instruction.slot?.home !== undefined;
}

/** May what is in the home at the start of `from` be what is read from it? */
export function isNeeded(slot: Slot, from: MachineBlock): boolean {
  const seen = new Set<MachineBlock>();
  const waiting = [from];
  for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
    if (seen.has(block)) continue;
    seen.add(block);
    if (block.id === slot.home) return true;
    if (!block.instructions.some((instruction) => isStoreTo(instruction, slot))) waiting.push(...successors(block));
  }
  return false;
}

function isStoreTo(instruction: MachineInstruction, slot: Slot): boolean {
  return instruction.op === "store" && instruction.slot === slot;
}
