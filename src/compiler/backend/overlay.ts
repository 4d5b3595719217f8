/**
 * Which stack slots may not share memory. 512 bytes are little when every inlined function brings its keys and values, so slots
 * whose contents are never needed at the same time may lie on each other.
 *
 * A slot is alive where it may have been written and may still be read. That is known exactly for slots that only loads, stores
 * and helper arguments reach; one whose address goes elsewhere (`escapes`) is alive throughout. Runs after registers are assigned,
 * so spills are among the slots; stores of spilled values that nobody reads again are dropped on the way.
 */
import { Bits } from "./bits.ts";
import {
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  predecessors,
  type Slot,
  successors,
} from "./machine.ts";

/** The slots that the function uses. */
export function usedSlots(fn: MachineFunction): Slot[] {
  const used = new Set<Slot>();
  for (const block of fn.blocks) {
    for (const instruction of block.instructions)
      if ("slot" in instruction && instruction.slot !== null) used.add(instruction.slot);
  }
  return fn.slots.filter((slot) => used.has(slot));
}

/** Whether two slots hold something at the same time. */
export type Conflicts = (left: Slot, right: Slot) => boolean;

export function findConflicts(fn: MachineFunction): Conflicts {
  const slots = usedSlots(fn);
  const numbers = new Map(slots.map((slot, index) => [slot, index]));
  const steps = new Map(fn.blocks.map((block) => [block, accesses(block, numbers)]));
  const neededAfter = solveBackwards(fn, steps, slots);
  const writtenBefore = solveForwards(fn, steps, slots.length);
  const edges = slots.map(() => new Bits(slots.length));
  const connect = (left: number, right: number): void => {
    if (left === right) return;
    edges[left]?.add(right);
    edges[right]?.add(left);
  };
  for (const block of fn.blocks) {
    const list = steps.get(block) as Step[];
    // What may have been written by the time of each step.
    const written = new Bits(writtenBefore.get(block) as Bits);
    const writtenAt = list.map((step) => {
      for (const slot of step.writes) written.add(slot);
      return new Bits(written);
    });
    const needed = new Bits(neededAfter.get(block) as Bits);
    const dead = new Set<MachineInstruction>();
    for (let index = list.length - 1; index >= 0; index--) {
      const step = list[index] as Step;
      const [only] = step.writes;
      if (step.kills && only !== undefined && slots[only]?.spill && !needed.has(only)) {
        dead.add(step.instruction);
        continue;
      }
      for (const slot of step.writes) {
        needed.forEach((other) => {
          if (writtenAt[index]?.has(other)) connect(slot, other);
        });
        for (const other of [...step.reads, ...step.writes]) connect(slot, other);
      }
      if (step.kills && only !== undefined) needed.delete(only);
      for (const slot of step.reads) needed.add(slot);
    }
    block.instructions = block.instructions.filter((instruction) => !dead.has(instruction));
  }
  return (left, right) => {
    if (left.escapes || right.escapes) return true;
    return edges[numbers.get(left) ?? -1]?.has(numbers.get(right) ?? -1) ?? true;
  };
}

interface Step {
  instruction: MachineInstruction;
  reads: number[];
  writes: number[];
  /** The only write covers the whole slot. */
  kills: boolean;
}

/** The slots that each instruction reaches. A helper reads and writes what its arguments point to. */
function accesses(block: MachineBlock, numbers: ReadonlyMap<Slot, number>): Step[] {
  const steps: Step[] = [];
  let passed: number[] = [];
  for (const instruction of block.instructions) {
    if (instruction.op === "call") {
      if (passed.length > 0) steps.push({ instruction, reads: passed, writes: passed, kills: false });
      passed = [];
      continue;
    }
    const slot = "slot" in instruction ? instruction.slot : null;
    if (slot === null) continue;
    const number = numbers.get(slot) as number;
    switch (instruction.op) {
      case "frame":
        passed.push(number);
        break;
      case "load":
        steps.push({ instruction, reads: [number], writes: [], kills: false });
        break;
      case "store":
        steps.push({
          instruction,
          reads: [],
          writes: [number],
          kills: instruction.offset === 0 && instruction.size === slot.size,
        });
        break;
      default:
        steps.push({ instruction, reads: [number], writes: [number], kills: false });
    }
  }
  return steps;
}

/** What may still be read, at the end of every block. */
function solveBackwards(
  fn: MachineFunction,
  steps: ReadonlyMap<MachineBlock, Step[]>,
  slots: readonly Slot[],
): Map<MachineBlock, Bits> {
  const before = new Map(fn.blocks.map((block) => [block, new Bits(slots.length)]));
  const after = new Map(fn.blocks.map((block) => [block, new Bits(slots.length)]));
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of fn.blocks.toReversed()) {
      const out = after.get(block) as Bits;
      for (const successor of successors(block)) out.addAll(before.get(successor) as Bits);
      const needed = new Bits(out);
      for (const step of (steps.get(block) as Step[]).toReversed()) {
        if (step.kills) for (const slot of step.writes) needed.delete(slot);
        for (const slot of step.reads) needed.add(slot);
      }
      if (before.get(block)?.addAll(needed)) changed = true;
    }
  }
  return after;
}

/** What may have been written, at the start of every block. */
function solveForwards(fn: MachineFunction, steps: ReadonlyMap<MachineBlock, Step[]>, count: number): Map<MachineBlock, Bits> {
  const sources = predecessors(fn.blocks);
  const before = new Map(fn.blocks.map((block) => [block, new Bits(count)]));
  const after = new Map(fn.blocks.map((block) => [block, new Bits(count)]));
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of fn.blocks) {
      const start = before.get(block) as Bits;
      for (const source of sources.get(block) ?? []) start.addAll(after.get(source) as Bits);
      const written = new Bits(start);
      for (const step of steps.get(block) as Step[]) for (const slot of step.writes) written.add(slot);
      if (after.get(block)?.addAll(written)) changed = true;
    }
  }
  return before;
}
