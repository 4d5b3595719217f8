/**
 * Makes a constant that several branches bring to where paths meet ahead of all of them: they go there at once, and the path that brings
 * something else writes over it. Either a number in its home on the stack (`homes.ts`), or a register. Runs before registers are assigned
 * and places on the stack are shared.
 */
import { keyOf } from "./flow.ts";
import { blocksBetween, commonDominator, findDominators } from "./hoist.ts";
import { liveness } from "./liveness.ts";
import {
  FIRST_VIRTUAL,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  predecessors,
  reads,
  replaceBlocks,
  type Slot,
  successors,
  written,
} from "./machine.ts";

type HomeStore = Extract<MachineInstruction, { op: "store" }> & { slot: Slot };
type Constant = Extract<MachineInstruction, { op: "const" }>;

/** Where constants of some kind go to. */
interface Place<I extends MachineInstruction> {
  isConstant(instruction: MachineInstruction): instruction is I;
  isWritten(constant: I, by: MachineInstruction): boolean;
  /** May what is there at the start of `from` be what is read from it? */
  isNeeded(constant: I, from: MachineBlock): boolean;
}

/** Numbers in their homes. */
export function presetHomes(fn: MachineFunction): void {
  preset(fn, () => ({
    isConstant: isHomeStore,
    isWritten: ({ slot }, by) => isStoreTo(by, slot),
    isNeeded: ({ slot }, from) => isNeeded(slot, from),
  }));
}

/** Registers. Each is one that lives longer, which may cost more than it gives. */
export function presetRegisters(fn: MachineFunction): void {
  preset(fn, () => {
    const { liveIn } = liveness(fn);
    return {
      isConstant: (instruction): instruction is Constant => instruction.op === "const" && instruction.dst >= FIRST_VIRTUAL,
      isWritten: ({ dst }, by) => written(by) === dst,
      isNeeded: ({ dst }, from) => liveIn(from).has(dst),
    };
  });
}

/** `analyse` is asked again when the function has changed. */
function preset<I extends MachineInstruction>(fn: MachineFunction, analyse: () => Place<I>): void {
  mergeEqual(fn, analyse());
  let place = analyse();
  for (const block of fn.blocks) {
    const [constant, another] = block.instructions;
    const { terminator } = block;
    if (constant === undefined || another !== undefined || terminator.op !== "jump" || !place.isConstant(constant)) continue;
    const before = predecessors(fn.blocks);
    const sources = before.get(block) ?? [];
    const others = before.get(terminator.target) ?? [];
    if (sources.length < 2 || !others.some((other) => other !== block && other.terminator.op === "jump")) continue;
    const dominators = findDominators(fn, before);
    const early = sources.reduce((left, right) => commonDominator(dominators, left, right));
    const between = [...blocksBetween(early, block, before)];
    const isFree = !between.some((each) => each === early || each.instructions.some((one) => place.isWritten(constant, one)));
    if (!isFree || successors(early).some((next) => place.isNeeded(constant, next)) || isRead(early, constant)) continue;
    early.instructions.push(constant);
    block.instructions = [];
    place = analyse();
  }
}

/** Edges that bring the same constant to the same place go there through one block. */
function mergeEqual<I extends MachineInstruction>(fn: MachineFunction, place: Place<I>): void {
  const models = new Map<string, MachineBlock>();
  const replacement = new Map<MachineBlock, MachineBlock>();
  for (const block of fn.blocks.slice(1)) {
    const [constant, another] = block.instructions;
    if (constant === undefined || another !== undefined || block.terminator.op !== "jump" || !place.isConstant(constant))
      continue;
    const key = `${block.terminator.target.id} ${keyOf(constant)}`;
    const model = models.get(key);
    if (model === undefined) models.set(key, block);
    else replacement.set(block, model);
  }
  replaceBlocks(fn, replacement);
}

/** Does the branch behind the constant's new place read what the constant would replace? */
function isRead({ terminator }: MachineBlock, constant: MachineInstruction): boolean {
  return reads(terminator, written(constant));
}

/** Can the constant be written earlier? */
export function isHomeStore(instruction: MachineInstruction): instruction is HomeStore {
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

export function isStoreTo(instruction: MachineInstruction, slot: Slot): boolean {
  return instruction.op === "store" && instruction.slot === slot;
}
