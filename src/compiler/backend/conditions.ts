/**
 * Comparisons as the machine's branches: the constant on the right, as an immediate where it fits; 32-bit comparisons where they
 * save an instruction; "any bit in common" for masks; operands swapped on machines that lack the "less" family.
 */
import { type CompareOp, isCompare, SUBPROGRAM, type Value } from "../ir/ir.ts";
import { constant, fitsImmediate, fitsU32, lowHalf, U32_MAX } from "./facts.ts";
import type { Branch, Cpu, JumpCode, Register } from "./machine.ts";
import { isNegation, type Uses } from "./uses.ts";

export interface Condition {
  code: JumpCode;
  width: 32 | 64;
  left: Register;
  right: Register | null;
  imm: number;
  /** The verifier may go on with an address although it was compared equal to 0: it takes no packet's address for that. */
  staysAddress?: boolean;
  /** The branch is taken when the condition does *not* hold. */
  negated: boolean;
}

const INVERSE: Record<CompareOp, CompareOp> = {
  eq: "ne",
  ne: "eq",
  ugt: "ule",
  ule: "ugt",
  uge: "ult",
  ult: "uge",
  sgt: "sle",
  sle: "sgt",
  sge: "slt",
  slt: "sge",
};
const SWAPPED: Record<CompareOp, CompareOp> = {
  eq: "eq",
  ne: "ne",
  ugt: "ult",
  ult: "ugt",
  uge: "ule",
  ule: "uge",
  sgt: "slt",
  slt: "sgt",
  sge: "sle",
  sle: "sge",
};
const LESS: readonly JumpCode[] = ["ult", "ule", "slt", "sle"];
const SIGNED: readonly JumpCode[] = ["sgt", "sge", "slt", "sle"];

export interface OperandSource {
  cpu: Cpu;
  uses: Uses;
  register(value: Value): Register;
}

/** The condition "the register is not 0". */
export function isTrue(left: Register): Condition {
  return { code: "ne", width: 64, left, right: null, imm: 0, negated: false };
}

/** The condition "`value` is not 0", with a comparison fused in. */
export function conditionOf(source: OperandSource, value: Value, negated = false): Condition {
  const [left, right] = value.args;
  if (!isCompare(value.op) || left === undefined || right === undefined) {
    return { ...isTrue(source.register(value)), negated };
  }
  if (isNegation(value)) {
    const inverted = value.op === "eq" ? !negated : negated;
    if (isCompare(left.op)) return conditionOf(source, left, inverted);
    const mask = left.op === "and" && source.uses.of(left).every(isNegation) ? left.args : null;
    if (mask) return bitTest(source, mask[0] as Value, mask[1] as Value, inverted);
  }
  const swap = constant(left) !== null && constant(right) === null;
  const condition = swap ? compare(source, SWAPPED[value.op], right, left) : compare(source, value.op, left, right);
  return legalise({ ...condition, negated }, source.cpu);
}

function bitTest(source: OperandSource, left: Value, right: Value, negated: boolean): Condition {
  const [value, mask] = constant(left) === null ? [left, right] : [right, left];
  const bits = constant(mask);
  if (bits !== null && fitsImmediate(bits)) {
    return { code: "set", width: 64, left: source.register(value), right: null, imm: Number(bits), negated };
  }
  if (bits !== null && source.cpu >= 3 && bits >= 0n && bits <= U32_MAX && value.type !== "ptr") {
    return { code: "set", width: 32, left: source.register(value), right: null, imm: lowHalf(bits), negated };
  }
  return { code: "set", width: 64, left: source.register(value), right: source.register(mask), imm: 0, negated };
}

type Comparison = Omit<Condition, "negated">;

function compare(source: OperandSource, code: CompareOp, left: Value, right: Value): Comparison {
  const signed = SIGNED.includes(code);
  const equality = code === "eq" || code === "ne";
  const value = constant(right);
  // A width extension that only this comparison reads is what a 32-bit comparison does anyway.
  const zext = source.cpu >= 3 && !signed ? extended(source, left, "zext") : null;
  const sext = source.cpu >= 3 && (signed || equality) ? extended(source, left, "sext") : null;
  if (value !== null) {
    const unsigned32 = value >= 0n && value <= U32_MAX;
    if (zext && unsigned32) return { code, width: 32, left: source.register(zext), right: null, imm: lowHalf(value) };
    if (sext && fitsImmediate(value)) return { code, width: 32, left: source.register(sext), right: null, imm: Number(value) };
    if (fitsImmediate(value)) {
      const staysAddress = left.type === "ptr" && !(left.op === "call" && left.helper !== SUBPROGRAM);
      return { code, width: 64, left: source.register(left), right: null, imm: Number(value), staysAddress };
    }
    if (source.cpu >= 3 && !signed && unsigned32 && fitsU32(left)) {
      return { code, width: 32, left: source.register(left), right: null, imm: lowHalf(value) };
    }
  }
  const other = (zext && (extended(source, right, "zext") ?? (fitsU32(right) ? right : null))) || null;
  if (zext && other) return { code, width: 32, left: source.register(zext), right: source.register(other), imm: 0 };
  const otherSigned = sext && extended(source, right, "sext");
  if (sext && otherSigned) return { code, width: 32, left: source.register(sext), right: source.register(otherSigned), imm: 0 };
  return { code, width: 64, left: source.register(left), right: source.register(right), imm: 0 };
}

function extended(source: OperandSource, value: Value, op: "zext" | "sext"): Value | null {
  const inner = value.args[0];
  if (value.op !== op || value.bits !== 32 || inner === undefined || inner.type === "ptr") return null;
  return source.uses.single(value) ? inner : null;
}

/** v1 has no "less" family: swap the operands, or with an immediate test the inverse. */
function legalise(condition: Condition, cpu: Cpu): Condition {
  const { code, left, right } = condition;
  if (cpu > 1 || code === "set" || !LESS.includes(code)) return condition;
  if (right !== null) return { ...condition, code: SWAPPED[code], left: right, right: left };
  return { ...condition, code: INVERSE[code], negated: !condition.negated };
}

/** Turns the branch around so that it goes to the same places; false when the machine has no such comparison. */
export function invert(branch: Branch, cpu: Cpu): boolean {
  if (branch.code === "set") return false;
  let code: CompareOp = INVERSE[branch.code];
  if (cpu === 1 && LESS.includes(code)) {
    if (branch.right === null) return false;
    code = SWAPPED[code];
    [branch.left, branch.right] = [branch.right, branch.left];
  }
  branch.code = code;
  [branch.then, branch.otherwise] = [branch.otherwise, branch.then];
  return true;
}

/** Whether `invert` would succeed. */
export function isInvertible(branch: Branch, cpu: Cpu): boolean {
  if (branch.code === "set") return false;
  return cpu > 1 || branch.right !== null || !LESS.includes(INVERSE[branch.code]);
}
