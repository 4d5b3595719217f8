/**
 * Instructions written by hand, as the few programs need them that the runtime itself brings: blocks that know their length, so that nobody counts
 * how far a jump goes.
 */
import { type Instruction, slots } from "../../object/instruction.ts";
import { ALU, ATOMIC, CLASS, JMP, MODE, OPCODE, PSEUDO, SIZE, SOURCE } from "../../object/opcodes.ts";

export type Code = readonly Instruction[];
type Width = keyof typeof SIZE;

/** Registers by their number. */
export const [R0, R1, R2, R3, R4, R6, R7, R8, R9, FRAME] = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10] as const;

function plain(opcode: number, dst: number, src: number, offset: number, imm: number | bigint): Code {
  return [{ opcode, dst, src, offset, imm }];
}

/** `to = *(from + offset)` */
export function load(width: Width, to: number, from: number, offset: number): Code {
  return plain(CLASS.LDX | MODE.MEM | SIZE[width], to, from, offset, 0);
}

/** `*(to + offset) = from` */
export function store(width: Width, to: number, offset: number, from: number): Code {
  return plain(CLASS.STX | MODE.MEM | SIZE[width], to, from, offset, 0);
}

/** `*(to + offset) = number` */
export function storeNumber(width: Width, to: number, offset: number, number: number): Code {
  return plain(CLASS.ST | MODE.MEM | SIZE[width], to, 0, offset, number);
}

/** `*(to + offset) += from`, 8 bytes, as one step. */
export function addTo(to: number, offset: number, from: number): Code {
  return plain(CLASS.STX | MODE.ATOMIC | SIZE.DW, to, from, offset, ATOMIC.ADD);
}

export function copy(to: number, from: number): Code {
  return plain(CLASS.ALU64 | ALU.MOV | SOURCE.X, to, from, 0, 0);
}

export function set(to: number, number: number): Code {
  return plain(CLASS.ALU64 | ALU.MOV, to, 0, 0, number);
}

/** `to = from + number`: an address. */
export function address(to: number, from: number, number: number): Code {
  return [...copy(to, from), ...plain(CLASS.ALU64 | ALU.ADD, to, 0, 0, number)];
}

/** The map that is open as `fd`, for helpers. */
export function mapAddress(to: number, fd: number): Code {
  return plain(OPCODE.LD_IMM64, to, PSEUDO.MAP_FD, 0, BigInt(fd));
}

/** Calls a helper: arguments in R1 to R5, the result in R0. */
export function call(helper: number): Code {
  return plain(OPCODE.CALL, 0, 0, 0, helper);
}

export const LEAVE: Code = [...set(R0, 0), ...plain(OPCODE.EXIT, 0, 0, 0, 0)];

/** `body` only if the register has that number. */
export function ifEqual(register: number, number: number, body: Code): Code {
  return [...plain(CLASS.JMP | JMP.JNE, register, 0, length(body), number), ...body];
}

/** `body` only if the register has another number. */
export function ifDifferent(register: number, number: number, body: Code): Code {
  return [...plain(CLASS.JMP | JMP.JEQ, register, 0, length(body), number), ...body];
}

/** `body` only if the one register holds no larger number, or no farther address, than the other. */
export function ifAtMost(register: number, other: number, body: Code): Code {
  return [...plain(CLASS.JMP | JMP.JGT | SOURCE.X, register, other, length(body), 0), ...body];
}

/** The one if the register has that number, else the other. */
export function either(register: number, number: number, then: Code, otherwise: Code): Code {
  const around = plain(OPCODE.JA, 0, 0, length(otherwise), 0);
  return [...ifEqual(register, number, [...then, ...around]), ...otherwise];
}

function length(code: Code): number {
  return code.reduce((sum, instruction) => sum + slots(instruction), 0);
}
