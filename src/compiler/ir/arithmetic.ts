/** The meaning of the operators: 64-bit integers as two's complement, on `bigint`s in the signed range. Everything that folds or interprets asks here. */
import type { BinaryOp, CompareOp } from "./ir.ts";

const unsigned = (value: bigint) => BigInt.asUintN(64, value);
const signed = (value: bigint) => BigInt.asIntN(64, value);

export function evaluateBinary(op: BinaryOp, left: bigint, right: bigint): bigint {
  return signed(compute(op, signed(left), signed(right)));
}

function compute(op: BinaryOp, left: bigint, right: bigint): bigint {
  const amount = unsigned(right) & 63n;
  switch (op) {
    case "add":
      return left + right;
    case "sub":
      return left - right;
    case "mul":
      return left * right;
    case "udiv":
      return right === 0n ? 0n : unsigned(left) / unsigned(right);
    case "umod":
      return right === 0n ? left : unsigned(left) % unsigned(right);
    case "sdiv":
      return right === 0n ? 0n : left / right;
    case "smod":
      return right === 0n ? left : left % right;
    case "and":
      return left & right;
    case "or":
      return left | right;
    case "xor":
      return left ^ right;
    case "shl":
      return left << amount;
    case "lshr":
      return unsigned(left) >> amount;
    case "ashr":
      return left >> amount;
  }
}

export function evaluateCompare(op: CompareOp, left: bigint, right: bigint): boolean {
  switch (op) {
    case "eq":
      return signed(left) === signed(right);
    case "ne":
      return signed(left) !== signed(right);
    case "ugt":
      return unsigned(left) > unsigned(right);
    case "uge":
      return unsigned(left) >= unsigned(right);
    case "ult":
      return unsigned(left) < unsigned(right);
    case "ule":
      return unsigned(left) <= unsigned(right);
    case "sgt":
      return signed(left) > signed(right);
    case "sge":
      return signed(left) >= signed(right);
    case "slt":
      return signed(left) < signed(right);
    case "sle":
      return signed(left) <= signed(right);
  }
}

/** The low `bits` of `value`, zero- or sign-extended. */
export function evaluateExtend(op: "zext" | "sext", bits: number, value: bigint): bigint {
  return op === "zext" ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
}

/** The low `bits / 8` bytes of `value` in reverse order, zero-extended. */
export function evaluateSwap(bits: 16 | 32 | 64, value: bigint): bigint {
  let result = 0n;
  for (let shift = 0n; shift < BigInt(bits); shift += 8n) result = (result << 8n) | ((unsigned(value) >> shift) & 0xffn);
  return signed(result);
}
