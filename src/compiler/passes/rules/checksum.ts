/**
 * Simplifications of one's complement arithmetic as wirescript/net writes it: x + ((x * 0x10001) >> 32) takes 0xffff away from x, or adds
 * it, as often as it takes to come into 16 bits. Where little is to come, a shift tells how often: x + (x >> 16), which one product gives.
 */
import type { BinaryOp, Instruction, Value } from "../../ir/ir.ts";
import { constantOf } from "../../ir/range.ts";
import type { Rule } from "./rule.ts";

type Binary = Extract<Instruction, { op: BinaryOp }>;

const ONES = 0xffffn;

/** x is a word of 16 bits less a constant of 17. */
export const carry: Rule<Binary> = ({ op, args: [sum, carried] }, make) => {
  if (op !== "add" || sum === undefined || carried?.op !== "ashr" || constantOf(carried.args[1] as Value) !== 32n) return null;
  const [product] = carried.args;
  if (product?.op !== "mul" || product.args[0] !== sum || constantOf(product.args[1] as Value) !== 0x1_0001n) return null;
  const [word, constant] = sum.args;
  if (sum.op !== "add" || sum.type === "ptr" || word === undefined || constant?.op !== "const") return null;
  if (make.bits(word, sum) > ONES || constant.value > 0n || constant.value < -2n * ONES) return null;
  const shifted = (value: Value): Value =>
    make.binary("ashr", make.binary("mul", value, make.constant(0x1_0001n)), make.constant(16n));
  if (constant.value >= -ONES) return shifted(sum);
  // Once for sure: the low 16 bits of -0xffff and of 1 are the same.
  const once = make.binary("add", word, make.constant(constant.value + ONES));
  return make.binary("add", shifted(once), make.constant(-0x1_0000n));
};
