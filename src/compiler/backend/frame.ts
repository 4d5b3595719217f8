/**
 * The stack frame: every slot that is still used gets its place below r10, the strictest alignment first, the rest into the gaps.
 * Slots that are never needed at the same time may get the same place.
 * The kernel gives a program 512 bytes, all frames of a call chain together.
 */
import { WirescriptError } from "../../errors.ts";
import type { MachineFunction, Slot } from "./machine.ts";
import { findConflicts, usedSlots } from "./overlay.ts";

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
  const conflicts = findConflicts(fn);
  const slots = usedSlots(fn).sort((a, b) => b.align - a.align || b.size - a.size);
  const placed: Slot[] = [];
  let deepest = 0;
  for (const slot of slots) {
    const others = placed.filter((other) => conflicts(slot, other));
    let depth = Math.ceil(slot.size / slot.align) * slot.align;
    while (others.some((other) => depth > -other.offset - other.size && depth - slot.size < -other.offset)) depth += slot.align;
    slot.offset = -depth;
    placed.push(slot);
    deepest = Math.max(deepest, depth);
  }
  const bytes = Math.ceil(deepest / 8) * 8;
  if (bytes > STACK_LIMIT) throw new StackOverflow(fn.name, bytes);
  return bytes;
}
