/** Simplifications of sums, products, quotients and of logic on whole words. */
import { evaluateBinary } from "../../ir/arithmetic.ts";
import type { BinaryOp, Instruction, Value } from "../../ir/ir.ts";
import { isBinary } from "../../ir/ir.ts";
import { constantOf, U64_MAX, upperBound } from "../../ir/range.ts";
import type { Maker, Rule } from "./rule.ts";

const COMMUTATIVE: readonly string[] = ["add", "mul", "and", "or", "xor"] satisfies BinaryOp[];
const ASSOCIATIVE: readonly string[] = ["mul", "and", "or", "xor"] satisfies BinaryOp[];
const SIGN = 1n << 63n;
/** The verifier refuses larger constant offsets of pointers (BPF_MAX_VAR_OFF). */
const FARTHEST = 1n << 28n;

type Binary = Extract<Instruction, { op: BinaryOp }>;

/** Both operands known. */
export const foldBinary: Rule<Binary> = ({ op, type, args: [left, right] }, make) => {
  if (type === "ptr" || left?.op !== "const" || right?.op !== "const") return null;
  return make.constant(evaluateBinary(op, left.value, right.value));
};

/** Constants on the right, so that later rules look in one place; subtracting one is adding its negative. */
export const canonicalBinary: Rule<Binary> = (instruction, make) => {
  const [left, right] = instruction.args as [Value, Value];
  if (COMMUTATIVE.includes(instruction.op) && left.op === "const" && right.op !== "const") {
    instruction.args = [right, left];
    return instruction;
  }
  if (instruction.op === "sub" && right.op === "const" && right.type !== "ptr") {
    instruction.args = [left, make.constant(-right.value)];
    return Object.assign(instruction, { op: "add" as const });
  }
  if (isShift(instruction.op) && right.op === "const" && BigInt.asUintN(64, right.value) > 63n) {
    instruction.args = [left, make.constant(right.value & 63n)]; // the verifier refuses larger amounts
    return instruction;
  }
  return null;
};

/** x + 0, x * 1, x & x and the like. */
export const identity: Rule<Binary> = ({ op, type, args }, make) => {
  const [left, right] = args as [Value, Value];
  if (left === right) {
    if (op === "and" || op === "or") return left;
    if ((op === "xor" || op === "sub") && type !== "ptr") return make.constant(0n);
  }
  const constant = constantOf(right);
  if (constant === 0n) {
    switch (op) {
      case "add":
      case "sub":
      case "or":
      case "xor":
      case "shl":
      case "lshr":
      case "ashr":
      case "umod":
      case "smod":
        return left;
      default:
        return make.constant(0n); // and, mul, udiv, sdiv
    }
  }
  if (constant === 1n) {
    if (op === "mul" || op === "udiv" || op === "sdiv") return left;
    if (op === "umod" || op === "smod") return make.constant(0n);
  }
  if (constant === U64_MAX) {
    if (op === "and") return left;
    if (op === "or") return right;
  }
  if (left.op === "const" && left.value === 0n && type !== "ptr" && op !== "sub" && !COMMUTATIVE.includes(op)) {
    return make.constant(0n); // 0 divided or shifted
  }
  return null;
};

/** Multiplication, division and remainder by powers of two. */
export const reduceStrength: Rule<Binary> = (instruction, make) => {
  const { op, args } = instruction;
  const [left, right] = args as [Value, Value];
  const constant = constantOf(right);
  if (constant === null || constant === 0n) return null;
  const most = upperBound(left);
  if ((op === "sdiv" || op === "smod") && most < SIGN && constant < SIGN) {
    return make.binary(op === "sdiv" ? "udiv" : "umod", left, right);
  }
  if (op === "udiv" && most < constant) return make.constant(0n);
  if (op === "umod" && most < constant) return left;
  if ((constant & (constant - 1n)) !== 0n) return null;
  const exponent = BigInt(constant.toString(2).length - 1);
  if (op === "mul") return make.binary("shl", left, make.constant(exponent));
  if (op === "udiv") return make.binary("lshr", left, make.constant(exponent));
  if (op === "umod") return make.binary("and", left, make.constant(constant - 1n));
  return null;
};

/** (x + 1) + 2 is x + 3. Of pointers always: constant offsets are free; of numbers where the inner sum goes away. */
export const reassociate: Rule<Binary> = (instruction, make) => {
  const [inner, right] = instruction.args as [Value, Value];
  if (right.op !== "const" || inner.op !== instruction.op || !isBinary(inner.op)) return null;
  const [base, second] = inner.args as [Value, Value];
  if (second.op !== "const") return null;
  if (instruction.type === "ptr") {
    const sum = right.value + second.value;
    if (instruction.op !== "add" || base.type !== "ptr" || sum >= FARTHEST || sum <= -FARTHEST) return null;
    if (make.bounding.isCompared(inner)) return null; // `advance-pointers` starts from there
    instruction.args = [base, make.constant(sum)];
    return instruction;
  }
  if (!make.isUsedOnce(inner) || !make.bounding.maySkip(inner, instruction)) return null;
  if (instruction.op === "add" || ASSOCIATIVE.includes(instruction.op)) {
    const op = instruction.op as BinaryOp; // `isBinary(inner.op)`, and they are the same
    const both = evaluateBinary(op, second.value, right.value);
    // Two factors that are parts of their instructions are less than one that is not.
    if (op === "mul" && BigInt.asIntN(32, both) !== BigInt.asIntN(64, both)) return null;
    instruction.args = [base, make.constant(both)];
    return instruction;
  }
  if (instruction.op === "shl" || instruction.op === "lshr") {
    const amount = (second.value & 63n) + (right.value & 63n);
    if (amount > 63n) return make.constant(0n);
    instruction.args = [base, make.constant(amount)];
    return instruction;
  }
  return null;
};

/** (~x) & 0xffff is x ^ 0xffff when x has no higher bits. */
export const maskOfXor: Rule<Binary> = (instruction: Binary, make: Maker) => {
  const [inner, right] = instruction.args as [Value, Value];
  if (instruction.op !== "and" || right.op !== "const" || inner.op !== "xor") return null;
  const [base, flipped] = inner.args as [Value, Value];
  if (flipped.op !== "const" || (make.bits(base, instruction) & ~BigInt.asUintN(64, right.value)) !== 0n) return null;
  if (!make.bounding.maySkip(inner, instruction)) return null;
  return make.binary("xor", base, make.constant(flipped.value & right.value));
};

function isShift(op: BinaryOp): boolean {
  return op === "shl" || op === "lshr" || op === "ashr";
}
