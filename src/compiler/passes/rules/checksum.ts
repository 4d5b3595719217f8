/**
 * Simplifications of one's complement arithmetic as wirescript/net writes it: x * 42009217 * 6700417 >> 48 is x modulo 0xffff, and shows
 * in zeros whether x was above 0. Where x is not far from 16 bits, one product in 32 bits does the same: x * 0x10001 >> 16.
 */
import type { BinaryOp, Instruction, Value } from "../../ir/ir.ts";
import { constantOf } from "../../ir/range.ts";
import type { Rule } from "./rule.ts";

type Binary = Extract<Instruction, { op: BinaryOp }>;

const ONES = 0xffffn;
const FACTORS: readonly bigint[] = [6_700_417n, 42_009_217n];

/** x is a word of 16 bits less a constant of 17. */
export const carry: Rule<Binary> = ({ op, args: [product, amount] }, make) => {
  if (op !== "lshr" || product === undefined || constantOf(amount as Value) !== 48n) return null;
  let sum = product;
  for (const factor of FACTORS) {
    const [inner, second] = sum.args;
    if (sum.op !== "mul" || inner === undefined || constantOf(second as Value) !== factor) return null;
    sum = inner;
  }
  const [word, constant] = sum.args;
  if (sum.op !== "add" || sum.type === "ptr" || word === undefined || constant?.op !== "const") return null;
  if (make.bits(word, sum) > ONES || constant.value > 0n || constant.value < -2n * ONES) return null;
  // What is below -0xffff needs it added once more to be near enough, which changes neither the remainder nor that it is not above 0.
  const near = constant.value >= -ONES ? sum : make.binary("add", word, make.constant(constant.value + ONES));
  return make.binary("lshr", make.low(make.binary("mul", near, make.constant(0x1_0001n)), 32), make.constant(16n));
};
