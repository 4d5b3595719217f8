/**
 * Small questions about IR values that instruction selection asks: what fits an immediate, what has a zero upper half, and how
 * far an address can be folded into a load or store.
 */
import { isBinary, isCompare, type Value } from "../ir/ir.ts";

export const U32_MAX = 0xffff_ffffn;

/** Fits the sign-extended 32-bit immediate. */
export function fitsImmediate(value: bigint): boolean {
  return value === BigInt.asIntN(32, value);
}

export function fitsOffset(value: number): boolean {
  return value >= -0x8000 && value <= 0x7fff;
}

/** The value as the signed 32-bit immediate with the same low half. */
export function lowHalf(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

/** The constant, when the value is one. */
export function constant(value: Value | undefined): bigint | null {
  return value?.op === "const" ? value.value : null;
}

/** Whether the upper 32 bits are zero for sure. Pointers never say so. */
export function fitsU32(value: Value, depth = 4): boolean {
  if (value.type === "ptr") return false;
  if (value.type === "bool" || isCompare(value.op)) return true;
  const [left, right] = value.args;
  switch (value.op) {
    case "const":
      return value.value >= 0n && value.value <= U32_MAX;
    case "load":
      return value.size <= 4;
    case "zext":
      return true;
    case "bswap":
      return value.bits <= 32;
    case "lshr": {
      const amount = constant(right);
      return (amount !== null && (amount & 63n) >= 32n) || (depth > 0 && left !== undefined && fitsU32(left, depth - 1));
    }
    case "and":
      return depth > 0 && value.args.some((argument) => fitsU32(argument, depth - 1));
    case "or":
    case "xor":
      return depth > 0 && value.args.every((argument) => fitsU32(argument, depth - 1));
    case "udiv":
    case "umod":
      return depth > 0 && left !== undefined && fitsU32(left, depth - 1);
    default:
      return false;
  }
}

/**
 * Whether a pointer may point into the stack. "number += pointer" would make the verifier forget whose: it takes what comes out for an address in
 * the program's own frame, also in a function that the program calls (`adjust_ptr_min_max_vals` in kernel/bpf/verifier.c).
 */
export function mayBeOnStack(pointer: Value): boolean {
  const seen = new Set<Value>();
  const waiting = [pointer];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (seen.has(value) || value.type !== "ptr") continue;
    seen.add(value);
    if (value.op === "slot" || value.op === "argument") return true;
    // An address that waits in the frame of a loop that became a function.
    if (value.op === "load" && value.region === "stack") return true;
    if (value.op === "phi" || isBinary(value.op)) waiting.push(...value.args);
  }
  return false;
}

/**
 * A value as `base + offset`, with the additions of constants to a pointer peeled off while the displacement fits an access; down to
 * a pointer of which `isKept` says that it is in a register anyway.
 */
export function peelAddress(
  pointer: Value,
  offset: number,
  isKept: (pointer: Value) => boolean = () => false,
): { base: Value; offset: number } {
  let base = pointer;
  let result = offset;
  for (;;) {
    if ((base.op !== "add" && base.op !== "sub") || isKept(base)) return { base, offset: result };
    const [left, right] = base.args;
    const step = constant(right);
    if (left?.type !== "ptr" || step === null || !fitsImmediate(step)) return { base, offset: result };
    const next = base.op === "add" ? result + Number(step) : result - Number(step);
    if (!fitsOffset(next)) return { base, offset: result };
    base = left;
    result = next;
  }
}
