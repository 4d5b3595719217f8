/** The arithmetic instructions (RFC 9669, section 4). Typed arrays wrap at 32 and 64 bits by themselves. */
import type { Instruction } from "../object/instruction.ts";
import { ALU, CLASS, CLASS_MASK, OPERATION_MASK, SOURCE } from "../object/opcodes.ts";
import { VmFault } from "./fault.ts";
import type { Registers } from "./registers.ts";

export function runAlu(r: Registers, instruction: Instruction): void {
  const { opcode, dst, src } = instruction;
  const operation = opcode & OPERATION_MASK;
  if (operation === ALU.END) return swap(r, instruction);
  const fromRegister = (opcode & SOURCE.X) !== 0;
  if (fromRegister && operation !== ALU.NEG) r.need(src);
  if (operation !== ALU.MOV) r.need(dst);
  if ((opcode & CLASS_MASK) === CLASS.ALU64) {
    const signed = fromRegister ? (r.s64[src] ?? 0n) : BigInt(instruction.imm);
    r.set(dst, compute64(operation, r.s64[dst] ?? 0n, signed, instruction.offset));
  } else {
    const signed = fromRegister ? (r.s32[2 * src] ?? 0) : Number(instruction.imm);
    r.set32(dst, compute32(operation, r.s32[2 * dst] ?? 0, signed, instruction.offset));
  }
}

const unsigned64 = (value: bigint) => BigInt.asUintN(64, value);

/** Operands are signed; the result is taken modulo 2^64. `offset` 1 makes divisions signed, and tells how wide a move sign-extends from. */
function compute64(operation: number, a: bigint, b: bigint, offset: number): bigint {
  switch (operation) {
    case ALU.ADD:
      return a + b;
    case ALU.SUB:
      return a - b;
    case ALU.MUL:
      return a * b;
    case ALU.DIV:
      if (b === 0n) return 0n;
      return offset === 1 ? a / b : unsigned64(a) / unsigned64(b);
    case ALU.MOD:
      if (b === 0n) return a;
      return offset === 1 ? a % b : unsigned64(a) % unsigned64(b);
    case ALU.OR:
      return a | b;
    case ALU.AND:
      return a & b;
    case ALU.XOR:
      return a ^ b;
    case ALU.LSH:
      return a << (b & 63n);
    case ALU.RSH:
      return unsigned64(a) >> (b & 63n);
    case ALU.ARSH:
      return a >> (b & 63n);
    case ALU.NEG:
      return -a;
    case ALU.MOV:
      return offset === 0 ? b : BigInt.asIntN(offset, b);
    default:
      throw unknown(operation);
  }
}

/** Operands are signed; the result is taken modulo 2^32. */
function compute32(operation: number, a: number, b: number, offset: number): number {
  switch (operation) {
    case ALU.ADD:
      return a + b;
    case ALU.SUB:
      return a - b;
    case ALU.MUL:
      return Math.imul(a, b);
    case ALU.DIV:
      if (b === 0) return 0;
      return Math.trunc(offset === 1 ? a / b : (a >>> 0) / (b >>> 0));
    case ALU.MOD:
      if (b === 0) return a;
      return offset === 1 ? a % b : (a >>> 0) % (b >>> 0);
    case ALU.OR:
      return a | b;
    case ALU.AND:
      return a & b;
    case ALU.XOR:
      return a ^ b;
    // JavaScript takes the amount modulo 32 by itself.
    case ALU.LSH:
      return a << b;
    case ALU.RSH:
      return a >>> b;
    case ALU.ARSH:
      return a >> b;
    case ALU.NEG:
      return -a;
    case ALU.MOV:
      return offset === 0 ? b : (b << (32 - offset)) >> (32 - offset);
    default:
      throw unknown(operation);
  }
}

/** ALU with K: to little-endian; with X: to big-endian; ALU64: always swaps (Linux 6.6). The host is little-endian. */
function swap(r: Registers, { opcode, dst, imm }: Instruction): void {
  r.need(dst);
  const bits = Number(imm);
  const value = BigInt.asUintN(bits, r.u64[dst] ?? 0n);
  const swaps = (opcode & CLASS_MASK) === CLASS.ALU64 || (opcode & SOURCE.X) !== 0;
  r.set(dst, swaps ? reversed(value, bits) : value);
}

function reversed(value: bigint, bits: number): bigint {
  let result = 0n;
  for (let shift = 0n; shift < BigInt(bits); shift += 8n) result = (result << 8n) | ((value >> shift) & 0xffn);
  return result;
}

function unknown(operation: number): VmFault {
  return new VmFault(`There is no arithmetic operation 0x${operation.toString(16)}.`);
}

/** The low half of a register, with and without sign. */
export const int32 = (value: bigint): number => Number(BigInt.asIntN(32, value));
export const uint32 = (value: bigint): number => Number(BigInt.asUintN(32, value));
