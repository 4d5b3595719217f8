/** What a simplification rule is, and what it can ask and make. */
import type { BinaryOp, CompareOp, Instruction, Value } from "../../ir/ir.ts";
import type { Bounding } from "../bounding.ts";

/**
 * Looks at one instruction, whose arguments are simplified already. Answers the value that shall stand for it; the instruction
 * itself, when it changed it in place; or `null` when it has nothing to say.
 */
export type Rule<I extends Instruction = Instruction> = (instruction: I, make: Maker) => Value | null;

/** Makes instructions in front of the one that a rule looks at; they come back simplified. */
export interface Maker {
  readonly bounding: Bounding;
  constant(value: bigint): Value;
  bool(value: boolean): Value;
  binary(op: BinaryOp, left: Value, right: Value): Value;
  /** `pointer` plus a number. */
  address(pointer: Value, offset: Value): Value;
  compare(op: CompareOp, left: Value, right: Value): Value;
  /** The low `bits` of `value`, the others cleared. */
  low(value: Value, bits: number): Value;
  /** Is `value` used exactly once? False when in doubt. */
  isUsedOnce(value: Value): boolean;
  /** Tells that a rule gave `value` to an instruction other than the one that it looks at. */
  noteUse(value: Value): void;
  /** The bits that `value` may have, as `user` may rely on: what the verifier knows, where it must know; else what is true. */
  bits(value: Value, user: Value): bigint;
}
