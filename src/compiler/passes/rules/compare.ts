/** Simplifications of comparisons. Those of a pointer with the packet's end keep their shape. */
import { evaluateCompare, evaluateSwap } from "../../ir/arithmetic.ts";
import { inverse, mirrored } from "../../ir/comparison.ts";
import type { CompareOp, Instruction, Value } from "../../ir/ir.ts";
import { isCompare } from "../../ir/ir.ts";
import { maskOf, possibleBits } from "../../ir/known-bits.ts";
import { constantOf, U64_MAX, upperBound } from "../../ir/range.ts";
import type { Maker, Rule } from "./rule.ts";

export type Compare = Extract<Instruction, { op: CompareOp }>;

const SIGN = 1n << 63n;
/** Larger constants do not fit an instruction. */
const LARGEST_IMMEDIATE = 0x7fff_ffffn;
const UNSIGNED: Partial<Record<CompareOp, CompareOp>> = { sgt: "ugt", sge: "uge", slt: "ult", sle: "ule" };

export const foldCompare: Rule<Compare> = (instruction, make) => {
  const { op, args } = instruction;
  const [left, right] = args as [Value, Value];
  if (left.op === "const" && right.op === "const") return make.bool(evaluateCompare(op, left.value, right.value));
  if (left === right) return make.bool(evaluateCompare(op, 0n, 0n));
  if (left.op === "const") {
    instruction.args = [right, left];
    return Object.assign(instruction, { op: mirrored(op) });
  }
  // A check of the packet's start itself, which the verifier would take for unusable where it fails.
  if ((op === "ugt" || op === "ule") && isPacketStart(left, right)) return make.bool(op === "ule");
  if (right.op === "const" && right.value === 0n && isNeverNull(left)) {
    if (op === "eq" || op === "ne") return make.bool(op === "ne");
  }
  return null;
};

/** Whether these are `data` and `data_end` of the context, which lie side by side there. */
function isPacketStart(left: Value, right: Value): boolean {
  const areAddresses = left.type === "ptr" && right.type === "ptr" && left.op === "load" && right.op === "load";
  return areAddresses && left.region === "context" && right.region === "context" && left.offset + 4 === right.offset;
}

/** Comparisons that every possible value answers alike, as far as the verifier knows it too. */
export const foldByRange: Rule<Compare> = (instruction, make) => {
  const { op, args } = instruction;
  const [left, right] = args as [Value, Value];
  const constant = constantOf(right);
  if (left.type === "ptr" || right.type === "ptr") return null;
  const most = upperBound(left);
  const unsigned = UNSIGNED[op];
  if (unsigned !== undefined && most < SIGN && upperBound(right) < SIGN) return Object.assign(instruction, { op: unsigned });
  if (constant === null) return null;
  switch (op) {
    case "eq":
    case "ne":
      // A path that equality would open is gone; the other one tells the verifier nothing. So what is true is enough here.
      return (constant & ~possibleBits(left, "true")) !== 0n ? make.bool(op === "ne") : null;
    case "ult":
      return most < constant ? make.bool(true) : constant === 0n ? make.bool(false) : null;
    case "ule":
      return most <= constant ? make.bool(true) : null;
    case "ugt":
      return most <= constant ? make.bool(false) : null;
    case "uge":
      return most < constant ? make.bool(false) : constant === 0n ? make.bool(true) : null;
    default:
      return null;
  }
};

/** Comparisons of a bool with 0 or 1 are the bool, or its opposite. */
export const foldBool: Rule<Compare> = ({ op, args }, make) => {
  const [left, right] = args as [Value, Value];
  const constant = constantOf(right);
  if ((op !== "eq" && op !== "ne") || left.type !== "bool" || left.op === "load") return null;
  if (constant === null || constant > 1n) return null;
  if ((op === "eq") === (constant === 1n)) return left;
  if (isCompare(left.op)) return make.compare(inverse(left.op), left.args[0] as Value, left.args[1] as Value);
  return op === "eq" ? null : make.compare("eq", left, make.constant(0n)); // one spelling of "not"
};

/** Undoes on the constant, at compile time, what would be done to the value at run time. */
export const moveToConstant: Rule<Compare> = (instruction, make) => {
  const { op, args } = instruction;
  const [left, right] = args as [Value, Value];
  // The verifier would learn about another value than before.
  if (make.bounding.needs(left) || left.type === "ptr") return null;
  if (op === "eq" || op === "ne") return equality(op, left, right, make);
  if (left.op === "bswap") return orderOfSwapped(op, left, right, make);
  return left.op === "lshr" ? orderOfShifted(op, left, right, make) : null;
};

function equality(op: "eq" | "ne", left: Value, right: Value, make: Maker): Value | null {
  const [inner, second] = left.args as [Value, Value | undefined];
  if (left.op === "bswap" && right.op === "bswap" && left.bits === right.bits && !make.bounding.needs(right)) {
    return make.compare(op, lowOf(inner, left.bits, make), lowOf(right.args[0] as Value, left.bits, make));
  }
  const constant = constantOf(right);
  if (constant === null) return null;
  const other = second === undefined ? null : constantOf(second);
  switch (left.op) {
    case "bswap":
      return make.compare(op, lowOf(inner, left.bits, make), make.constant(evaluateSwap(left.bits, constant)));
    case "sext": {
      if (BigInt.asUintN(64, BigInt.asIntN(left.bits, constant)) !== constant) return make.bool(op === "ne");
      return make.compare(op, make.low(inner, left.bits), make.constant(constant & maskOf(left.bits)));
    }
    case "add":
      return other === null ? null : make.compare(op, inner, make.constant(constant - other));
    case "xor":
      if (other !== null) return make.compare(op, inner, make.constant(constant ^ other));
      return constant === 0n && second !== undefined ? make.compare(op, inner, second) : null;
    case "sub":
      return constant === 0n && second !== undefined && inner.type !== "ptr" ? make.compare(op, inner, second) : null;
    case "lshr":
      return constant === 0n ? orderOfShifted(op === "eq" ? "ult" : "uge", left, make.constant(1n), make) : null;
    case "and":
      return other === null ? null : equalityOfMasked(op, inner, other, constant, make);
    default:
      return null;
  }
}

/** (x >> 13 & 1) == 1 and bswap(x) & 0x2000 are masks of x. */
function equalityOfMasked(op: "eq" | "ne", inner: Value, mask: bigint, constant: bigint, make: Maker): Value | null {
  if (inner.op === "bswap" && (mask & ~maskOf(inner.bits)) === 0n) {
    const swapped = (value: bigint): Value => make.constant(evaluateSwap(inner.bits, value));
    return make.compare(op, make.binary("and", inner.args[0] as Value, swapped(mask)), swapped(constant));
  }
  const amount = inner.op === "lshr" ? constantOf(inner.args[1] as Value) : null;
  if (amount === null || amount > 63n || mask << amount > LARGEST_IMMEDIATE) return null;
  const masked = make.binary("and", inner.args[0] as Value, make.constant(mask << amount));
  return make.compare(op, masked, make.constant(constant << amount));
}

/** x >> 4 < 5 is x < 80. */
function orderOfShifted(op: CompareOp, left: Value, right: Value, make: Maker): Value | null {
  const amount = constantOf(left.args[1] as Value);
  const constant = constantOf(right);
  if (amount === null || amount > 63n || constant === null) return null;
  const limit = (op === "ult" || op === "uge" ? constant : constant + 1n) << amount;
  if (limit > LARGEST_IMMEDIATE) return null;
  const inner = left.args[0] as Value;
  if (op === "ult" || op === "ule") return make.compare("ult", inner, make.constant(limit));
  if (op === "uge" || op === "ugt") return make.compare("uge", inner, make.constant(limit));
  return null;
}

/** bswap16(x) < 8 says that x has none of the bits that make 8 and more: (x & 0xf8ff) == 0. */
function orderOfSwapped(op: CompareOp, left: Extract<Instruction, { op: "bswap" }>, right: Value, make: Maker): Value | null {
  const constant = constantOf(right);
  const isBelow = op === "ult" || op === "ule";
  if (constant === null || constant === 0n || (!isBelow && op !== "uge" && op !== "ugt")) return null;
  const limit = op === "ult" || op === "uge" ? constant : constant + 1n;
  if ((limit & (limit - 1n)) !== 0n || limit > maskOf(left.bits) || !make.isUsedOnce(left)) return null;
  const mask = evaluateSwap(left.bits, maskOf(left.bits) & ~(limit - 1n));
  if (mask > LARGEST_IMMEDIATE) return null;
  const masked = make.binary("and", left.args[0] as Value, make.constant(mask));
  return make.compare(isBelow ? "eq" : "ne", masked, make.constant(0n));
}

function lowOf(value: Value, bits: number, make: Maker): Value {
  return bits === 64 ? value : make.low(value, bits);
}

/** Pointers that cannot be null; a helper's result can. */
export function isNeverNull(value: Value, depth = 8): boolean {
  if (value.type !== "ptr" || depth === 0) return false;
  switch (value.op) {
    case "context":
    case "slot":
    case "map":
    case "data":
      return true;
    case "load":
      return value.region === "context";
    case "add":
      return value.args.some((argument) => isNeverNull(argument, depth - 1));
    default:
      return false;
  }
}

// A number that is all ones has no larger one.
export const foldLimit: Rule<Compare> = ({ op, args }, make) => {
  if (constantOf(args[1] as Value) !== U64_MAX) return null;
  if (op === "ule") return make.bool(true);
  return op === "ugt" ? make.bool(false) : null;
};

/** Farther than the packet reaches; larger offsets the verifier may refuse. */
const FARTHEST = 0xffffn;

/**
 * n > end - data is data + n > end, which is one instruction less. Not for an n that is used elsewhere: where data + n is a view's
 * address, the verifier would take the view for unusable on a path that it does not know to be impossible.
 */
export const lengthToEnd: Rule<Compare> = ({ op, args }, make) => {
  const [left, right] = args as [Value, Value];
  if (op === "eq" || op === "ne") return null;
  const [order, number, length] = isLength(left) ? [mirrored(op), right, left] : [op, left, right];
  if (!isLength(length) || number.type === "ptr" || number.op === "const" || upperBound(number) > FARTHEST) return null;
  if (!make.isUsedOnce(length) || !make.isUsedOnce(number)) return null;
  const [end, start] = length.args as [Value, Value];
  return make.compare(UNSIGNED[order] ?? order, make.address(start, number), end); // neither is ever negative
};

/** The distance of two pointers. */
function isLength({ op, args }: Value): boolean {
  return op === "sub" && args.every(({ type }) => type === "ptr");
}
