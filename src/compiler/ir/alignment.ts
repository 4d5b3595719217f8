/** How addresses are aligned, where the verifier insists on it: on the stack, and for atomic operations. */
import { HELPER } from "../../object/helpers.ts";
import type { Value } from "./ir.ts";

/** More than any access needs. */
const MOST = 8;
const DEEPEST = 8;

/**
 * The largest of 8, 4, 2 and 1 that divides `pointer + offset` on every path: counted from the start of a map's element or a data section,
 * both of which are aligned, or from the frame's. Of a loop that is still being built, 1.
 */
export function alignmentOf(pointer: Value, offset = 0): number {
  return alignment(pointer, offset, new Map());
}

/** `seen`: phis on the way, and the offset that was asked for. Where a loop comes back to one, what counts is how far it has moved. */
function alignment(pointer: Value, offset: number, seen: Map<Value, number>): number {
  const own = lowBit(BigInt(offset));
  const [left, right] = pointer.args;
  switch (pointer.op) {
    case "slot":
      return Math.min(own, pointer.align);
    case "data":
      return lowBit(BigInt(pointer.offset + offset));
    case "argument":
      return Math.min(own, pointer.align ?? 1);
    case "call":
      return Math.min(own, pointer.align ?? (pointer.helper === HELPER.map_lookup_elem ? MOST : 1));
    case "add":
      if (left === undefined || right === undefined) return 1;
      // Constants are added up: 4 and 4 more are 8.
      if (right.op === "const") return alignment(left, offset + Number(right.value), seen);
      return Math.min(alignment(left, offset, seen), factorOf(right, DEEPEST));
    case "phi": {
      const before = seen.get(pointer);
      if (before !== undefined) return lowBit(BigInt(offset - before));
      seen.set(pointer, offset);
      // `null`, on the way of some path, is never accessed.
      const addresses = pointer.args.filter((argument) => argument.op !== "const");
      if (addresses.length === 0) return pointer.args.length === 0 ? 1 : own;
      return Math.min(...addresses.map((argument) => alignment(argument, offset, seen)));
    }
    default:
      return 1;
  }
}

/** The largest power of two, up to 8, that divides the number. */
function factorOf(number: Value, depth: number): number {
  const [left, right] = number.args;
  if (number.op === "const") return lowBit(number.value);
  if (depth === 0 || left === undefined || right === undefined) return 1;
  if (number.op === "mul") return Math.min(MOST, factorOf(left, depth - 1) * factorOf(right, depth - 1));
  if (number.op === "and") return Math.max(factorOf(left, depth - 1), factorOf(right, depth - 1));
  if (number.op === "shl" && right.op === "const") return lowBit(1n << (right.value & 63n));
  if (number.op === "add" || number.op === "sub") return Math.min(factorOf(left, depth - 1), factorOf(right, depth - 1));
  return 1;
}

function lowBit(value: bigint): number {
  for (let power = MOST; power > 1; power /= 2) if (value % BigInt(power) === 0n) return power;
  return 1;
}
