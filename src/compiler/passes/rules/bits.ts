/** Simplifications of masks, shifts, extensions and byte swaps by the bits that can be set and the bits that are read. */
import { evaluateExtend, evaluateSwap } from "../../ir/arithmetic.ts";
import type { BinaryOp, ExtendOp, Instruction, Value } from "../../ir/ir.ts";
import { maskOf } from "../../ir/known-bits.ts";
import { constantOf, U64_MAX } from "../../ir/range.ts";
import { simplifyDemanded } from "./demanded.ts";
import type { Rule } from "./rule.ts";

type Binary = Extract<Instruction, { op: BinaryOp }>;
type Extend = Extract<Instruction, { op: ExtendOp }>;
type Swap = Extract<Instruction, { op: "bswap" }>;

const U32 = maskOf(32);

/** Masks that do nothing go; one for 32 bits is a `zext.32`, which is a plain move. */
export const mask: Rule<Binary> = (instruction, make) => {
  const [inner, right] = instruction.args as [Value, Value];
  const constant = constantOf(right);
  if (instruction.op !== "and" || constant === null) return null;
  const bits = make.bits(inner, instruction);
  if ((bits & ~constant) === 0n) return inner;
  if ((bits & constant) === 0n) return make.constant(0n);
  // ((x & 15) | 64) & 240 is 64.
  const [field, put] = inner.args;
  const added = inner.op === "or" && put !== undefined ? constantOf(put) : null;
  if (added !== null && field !== undefined && (make.bits(field, instruction) & constant) === 0n) {
    return make.constant(added & constant);
  }
  if (constant === U32) return make.low(inner, 32);
  return simplifyDemanded(instruction, 0, constant, make) ? instruction : null;
};

export const shift: Rule<Binary> = (instruction, make) => {
  const { op } = instruction;
  const [inner, right] = instruction.args as [Value, Value];
  const amount = constantOf(right);
  if (amount === null || amount > 63n) return null;
  const bits = make.bits(inner, instruction);
  if (op === "ashr" && bits < 1n << 63n) return make.binary("lshr", inner, right);
  if (op === "lshr" && bits >> amount === 0n) return make.constant(0n);
  if (op === "shl" && ((bits << amount) & U64_MAX) === 0n) return make.constant(0n);
  if (op !== "shl" && op !== "lshr") return null;
  const read = op === "shl" ? U64_MAX >> amount : (U64_MAX >> amount) << amount;
  // There and back again is a mask.
  const back = op === "shl" ? "lshr" : "shl";
  if (inner.op === back && constantOf(inner.args[1] as Value) === amount && make.bounding.maySkip(inner, instruction)) {
    const kept = op === "lshr" ? U64_MAX >> amount : (U64_MAX << amount) & U64_MAX;
    const base = inner.args[0] as Value; // a shift has two
    if (isImmediate(kept)) return make.binary("and", base, make.constant(kept));
  }
  return simplifyDemanded(instruction, 0, read, make) ? instruction : null;
};

/** Extensions of what is narrow already; 8 and 16 bits as masks, so that equal ones meet. */
export const extend: Rule<Extend> = (instruction, make) => {
  const { op, bits } = instruction;
  const inner = instruction.args[0] as Value; // an extension has one
  if (inner.op === "const") return make.constant(evaluateExtend(op, bits, inner.value));
  const possible = make.bits(inner, instruction);
  if (op === "zext") {
    if ((possible & ~maskOf(bits)) === 0n) return inner;
    if (bits !== 32) return make.binary("and", inner, make.constant(maskOf(bits)));
  } else {
    if (possible < 1n << BigInt(bits - 1)) return inner;
    if (inner.op === "sext" && inner.bits <= bits) return inner;
  }
  return simplifyDemanded(instruction, 0, maskOf(bits), make) ? instruction : null;
};

export const swap: Rule<Swap> = (instruction, make) => {
  const { bits } = instruction;
  const inner = instruction.args[0] as Value; // a swap has one
  if (inner.op === "const") return make.constant(evaluateSwap(bits, inner.value));
  if (inner.op === "bswap" && inner.bits === bits) {
    const original = inner.args[0] as Value;
    return bits === 64 ? original : make.low(original, bits);
  }
  // Logic works on each bit alone, so it can be done on the unswapped bytes.
  if ((inner.op === "and" || inner.op === "or" || inner.op === "xor") && make.isUsedOnce(inner)) {
    const [left, right] = inner.args as [Value, Value];
    if (left.op === "bswap" && left.bits === bits && (right.op === "const" || (right.op === "bswap" && right.bits === bits))) {
      const other = right.op === "const" ? make.constant(evaluateSwap(bits, right.value)) : (right.args[0] as Value);
      const result = make.binary(inner.op, left.args[0] as Value, other);
      return bits === 64 ? result : make.low(result, bits);
    }
  }
  return simplifyDemanded(instruction, 0, maskOf(bits), make) ? instruction : null;
};

/** Fits the instruction, or is the mask that a plain move applies. */
function isImmediate(constant: bigint): boolean {
  const signed = BigInt.asIntN(64, constant);
  return signed === BigInt.asIntN(32, constant) || constant === U32;
}
