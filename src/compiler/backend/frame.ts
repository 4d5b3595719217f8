/**
 * The stack frame: every slot that is still used gets its place below r10, the strictest alignment first, the rest into the gaps.
 * The kernel gives a program 512 bytes, all frames of a call chain together.
 */
import { WirescriptError } from "../../errors.ts";
import type { MachineFunction, Slot } from "./machine.ts";

export const STACK_LIMIT = 512;

/** The function needs more stack than there is. */
export class StackOverflow extends WirescriptError {
  override readonly name = "StackOverflow";
  readonly bytes: number;

  constructor(functionName: string, bytes: number) {
    super({
      code: "COMPILE",
      what: `${functionName} needs ${bytes} bytes of stack, and the kernel gives ${STACK_LIMIT}.`,
      why: "Keys and values built from object literals, and values that find no register, live on the stack.",
      fix: "Use smaller keys and values, or build large values in a map's element instead.",
    });
    this.bytes = bytes;
  }
}

/** Sets the offsets; returns the bytes of stack used, a multiple of 8. Throws StackOverflow when they are more than 512. */
export function layOutFrame(fn: MachineFunction): number {
  const used = new Set<Slot>();
  for (const block of fn.blocks) {
    for (const instruction of block.instructions)
      if ("slot" in instruction && instruction.slot !== null) used.add(instruction.slot);
  }
  const slots = fn.slots.filter((slot) => used.has(slot)).sort((a, b) => b.align - a.align || b.size - a.size);
  const taken: boolean[] = [];
  for (const slot of slots) {
    let depth = Math.ceil(slot.size / slot.align) * slot.align;
    while (taken.slice(depth - slot.size, depth).includes(true)) depth += slot.align;
    for (let byte = depth - slot.size; byte < depth; byte++) taken[byte] = true;
    slot.offset = -depth;
  }
  const bytes = Math.ceil(taken.length / 8) * 8;
  if (bytes > STACK_LIMIT) {
    throw new StackOverflow(fn.name, bytes);
  }
  return bytes;
}
