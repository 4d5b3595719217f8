/** Constant offsets move into loads and stores; a store needs no more bits than it writes. */
import type { Instruction, Value } from "../../ir/ir.ts";
import { maskOf } from "../../ir/known-bits.ts";
import { simplifyDemanded } from "./demanded.ts";
import type { Rule } from "./rule.ts";

type Access = Extract<Instruction, { op: "load" | "store" | "atomic_add" }>;

/**
 * The offset of a load or store is a signed 16-bit number. What is compared with the packet's end is in a register anyway
 * (`advance-pointers`).
 */
export const foldOffset: Rule<Access> = (instruction, make) => {
  const pointer = instruction.args[0] as Value; // an access has an address
  if (pointer.op !== "add" || make.bounding.isCompared(pointer)) return null;
  const [base, constant] = pointer.args as [Value, Value];
  if (base.type !== "ptr" || constant.op !== "const") return null;
  const offset = BigInt(instruction.offset) + constant.value;
  if (offset !== BigInt.asIntN(16, offset)) return null;
  instruction.args[0] = base;
  instruction.offset = Number(offset);
  return instruction;
};

export const storeLowBits: Rule<Access> = (instruction, make) => {
  if (instruction.op === "load" || instruction.size === 8) return null;
  return simplifyDemanded(instruction, 1, maskOf(instruction.size * 8), make) ? instruction : null;
};
