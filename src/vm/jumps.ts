/** Whether a conditional jump is taken (RFC 9669, section 4.3). */
import type { Instruction } from "../object/instruction.ts";
import { CLASS, CLASS_MASK, JMP, OPERATION_MASK, SOURCE } from "../object/opcodes.ts";
import { VmFault } from "./fault.ts";
import type { Registers } from "./registers.ts";

export function isTaken(r: Registers, { opcode, dst, src, imm }: Instruction): boolean {
  const fromRegister = (opcode & SOURCE.X) !== 0;
  r.need(dst);
  if (fromRegister) r.need(src);
  const operation = opcode & OPERATION_MASK;
  if ((opcode & CLASS_MASK) === CLASS.JMP32) {
    const a = r.s32[2 * dst] ?? 0;
    const b = fromRegister ? (r.s32[2 * src] ?? 0) : Number(imm);
    return operation === JMP.JSET ? (a & b) !== 0 : holds(operation, a, b, a >>> 0, b >>> 0);
  }
  const a = r.s64[dst] ?? 0n;
  const b = fromRegister ? (r.s64[src] ?? 0n) : BigInt(imm);
  return operation === JMP.JSET ? (a & b) !== 0n : holds(operation, a, b, r.u64[dst] ?? 0n, BigInt.asUintN(64, b));
}

/** `a` and `b` are signed, `ua` and `ub` the same bits unsigned. */
function holds<T extends number | bigint>(operation: number, a: T, b: T, ua: T, ub: T): boolean {
  switch (operation) {
    case JMP.JEQ:
      return a === b;
    case JMP.JNE:
      return a !== b;
    case JMP.JGT:
      return ua > ub;
    case JMP.JGE:
      return ua >= ub;
    case JMP.JLT:
      return ua < ub;
    case JMP.JLE:
      return ua <= ub;
    case JMP.JSGT:
      return a > b;
    case JMP.JSGE:
      return a >= b;
    case JMP.JSLT:
      return a < b;
    case JMP.JSLE:
      return a <= b;
    default:
      throw new VmFault(`There is no jump operation 0x${operation.toString(16)}.`);
  }
}
