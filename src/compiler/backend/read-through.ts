/**
 * Reads a copy at its source where the copy ends with that: `d = s; d = *(d + 4)` is `d = *(s + 4)`. The allocator leaves such behind where a
 * value that has no register of its own is still in another one.
 */
import {
  FRAME_POINTER,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  type Register,
  reads,
  writes,
  written,
} from "./machine.ts";

type Copy = Extract<MachineInstruction, { op: "mov" }>;
type Reader = Extract<MachineInstruction, { op: "load" | "mov" | "extend" }>;

/** To be called when registers are assigned. */
export function readThrough(fn: MachineFunction): void {
  for (const block of fn.blocks) {
    const needless = new Set<MachineInstruction>();
    for (const [index, copy] of block.instructions.entries()) {
      if (copy.op !== "mov" || copy.src === FRAME_POINTER) continue;
      const reader = lastReader(block, index, copy);
      if (reader === null) continue;
      if (reader.op === "load") reader.base = copy.src;
      else reader.src = copy.src;
      needless.add(copy);
    }
    block.instructions = block.instructions.filter((instruction) => !needless.has(instruction));
  }
}

/** What reads the copy first and writes over it, as long as the source is what it was. */
function lastReader({ instructions }: MachineBlock, index: number, { dst, src }: Copy): Reader | null {
  for (let at = index + 1; at < instructions.length; at++) {
    const next = instructions[at] as MachineInstruction; // within its length
    if (reads(next, dst) || writes(next, dst)) return isReader(next, dst) ? next : null;
    if (writes(next, src)) return null;
  }
  return null;
}

function isReader(instruction: MachineInstruction, register: Register): instruction is Reader {
  if (written(instruction) !== register) return false;
  if (instruction.op === "load") return instruction.base === register && instruction.slot === null;
  return (instruction.op === "mov" || instruction.op === "extend") && instruction.src === register;
}
