/**
 * Removes stores that the next store to the same bytes makes pointless, as when bit fields that share a byte are written one after the
 * other. Within a block, and only where nothing could have read the bytes in between. Runs before registers are assigned.
 */
import { type MachineFunction, type MachineInstruction, written } from "./machine.ts";

type Store = Extract<MachineInstruction, { op: "store" }>;

export function removeOverwritten(fn: MachineFunction): void {
  for (const block of fn.blocks) {
    const dead = new Set<MachineInstruction>();
    for (const [index, instruction] of block.instructions.entries()) {
      if (instruction.op === "store" && isOverwritten(instruction, block.instructions, index + 1)) dead.add(instruction);
    }
    if (dead.size > 0) block.instructions = block.instructions.filter((instruction) => !dead.has(instruction));
  }
}

function isOverwritten(store: Store, instructions: readonly MachineInstruction[], start: number): boolean {
  for (let index = start; index < instructions.length; index++) {
    const next = instructions[index] as MachineInstruction;
    if (next.op === "call" || next.op === "load" || next.op === "atomic_add") return false;
    if (next.op === "store" && covers(next, store)) return true;
    // The same number in the base would be another address.
    if (written(next) === store.base) return false;
  }
  return false;
}

function covers(next: Store, store: Store): boolean {
  if (next.base !== store.base || next.slot !== store.slot || next.region !== store.region) return false;
  return next.offset <= store.offset && store.offset + store.size <= next.offset + next.size;
}
