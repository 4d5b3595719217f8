/**
 * Machine IR with registers assigned to eBPF instructions: blocks in their final order, jumps only where the next block is not the
 * target, offsets in slots. Jumps out of 16-bit range take the long form of v4.
 */
import { WirescriptError } from "../../errors.ts";
import { type Instruction, slots } from "../../object/instruction.ts";
import { ALU, ATOMIC, CALL, CLASS, JMP, MODE, OPCODE, SIZE, SOURCE } from "../../object/opcodes.ts";
import type { LineSpec } from "../../object/spec.ts";
import type { AccessSize, Span } from "../ir/ir.ts";
import { invert } from "./conditions.ts";
import { fitsImmediate, fitsOffset, U32_MAX } from "./facts.ts";
import { isBareExit } from "./layout.ts";
import {
  type Address,
  type AluCode,
  type Branch,
  FRAME_POINTER,
  type JumpCode,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
} from "./machine.ts";

const ALU_OPERATION: Record<AluCode, number> = {
  add: ALU.ADD,
  sub: ALU.SUB,
  mul: ALU.MUL,
  div: ALU.DIV,
  sdiv: ALU.DIV,
  mod: ALU.MOD,
  smod: ALU.MOD,
  and: ALU.AND,
  or: ALU.OR,
  xor: ALU.XOR,
  lsh: ALU.LSH,
  rsh: ALU.RSH,
  arsh: ALU.ARSH,
  neg: ALU.NEG,
};
const JUMP_OPERATION: Record<JumpCode, number> = {
  eq: JMP.JEQ,
  ne: JMP.JNE,
  ugt: JMP.JGT,
  uge: JMP.JGE,
  ult: JMP.JLT,
  ule: JMP.JLE,
  sgt: JMP.JSGT,
  sge: JMP.JSGE,
  slt: JMP.JSLT,
  sle: JMP.JSLE,
  set: JMP.JSET,
};
const SIZE_CODE: Record<AccessSize, number> = { 1: SIZE.B, 2: SIZE.H, 4: SIZE.W, 8: SIZE.DW };
/** `DIV` and `MOD` with this offset are signed. */
const SIGNED = 1;

interface Placed {
  instruction: Instruction;
  span: Span | null;
  /** Jumps go to the start of this block. */
  target?: MachineBlock;
}

export interface Emitted {
  instructions: Instruction[];
  lines: LineSpec[];
}

/** Throws COMPILE when a jump is too far for the machine. */
export function emit(fn: MachineFunction): Emitted {
  const placed: Placed[] = [];
  const starts = new Map<MachineBlock, number>();
  for (const [index, block] of fn.blocks.entries()) {
    starts.set(block, placed.length);
    for (const instruction of block.instructions) {
      for (const each of encode(instruction, fn.cpu)) placed.push({ instruction: each, span: instruction.span });
    }
    placed.push(...terminate(fn, block, fn.blocks[index + 1]));
  }
  resolveJumps(fn, placed, starts);
  return { instructions: placed.map((each) => each.instruction), lines: linesOf(placed) };
}

function make(opcode: number, dst: number, src: number, offset: number, imm: number | bigint): Instruction {
  return { opcode, dst, src, offset, imm };
}

/** Class, source and operation of arithmetic; the operand is `src`, or `imm` when that is null. */
function alu(operation: number, width: 32 | 64, dst: number, src: number | null, imm: number, offset = 0): Instruction {
  const operationClass = width === 64 ? CLASS.ALU64 : CLASS.ALU;
  return make(operationClass | operation | (src === null ? SOURCE.K : SOURCE.X), dst, src ?? 0, offset, src === null ? imm : 0);
}

function displacement(address: Address): number {
  return address.offset + (address.slot?.offset ?? 0);
}

function encode(instruction: MachineInstruction, cpu: number): Instruction[] {
  switch (instruction.op) {
    case "mov":
      return [alu(ALU.MOV, 64, instruction.dst, instruction.src, 0)];
    case "const":
      return [constant(instruction.dst, instruction.value, cpu)];
    case "address":
      return [{ ...make(OPCODE.LD_IMM64, instruction.dst, 0, 0, 0n), reference: instruction.reference }];
    case "frame": {
      const offset = instruction.offset + instruction.slot.offset;
      const copy = alu(ALU.MOV, 64, instruction.dst, FRAME_POINTER, 0);
      return offset === 0 ? [copy] : [copy, alu(ALU.ADD, 64, instruction.dst, null, offset)];
    }
    case "alu": {
      const { code, width, dst, src, imm } = instruction;
      return [alu(ALU_OPERATION[code], width, dst, src, imm, code === "sdiv" || code === "smod" ? SIGNED : 0)];
    }
    case "extend": {
      const { signed, bits, dst, src } = instruction;
      return [signed ? alu(ALU.MOV, 64, dst, src, 0, bits) : alu(ALU.MOV, 32, dst, src, 0)];
    }
    case "swap":
      return [make(CLASS.ALU | ALU.END | SOURCE.X, instruction.dst, 0, 0, instruction.bits)];
    case "load":
      return [
        make(
          CLASS.LDX | MODE.MEM | SIZE_CODE[instruction.size],
          instruction.dst,
          instruction.base,
          displacement(instruction),
          0,
        ),
      ];
    case "store": {
      const { size, base, src, imm } = instruction;
      const opcode = (src === null ? CLASS.ST : CLASS.STX) | MODE.MEM | SIZE_CODE[size];
      return [make(opcode, base, src ?? 0, displacement(instruction), imm)];
    }
    case "atomic_add": {
      const { size, base, src } = instruction;
      return [make(CLASS.STX | MODE.ATOMIC | SIZE_CODE[size], base, src, displacement(instruction), ATOMIC.ADD)];
    }
    case "call": {
      const { helper, callee } = instruction;
      if (callee === null) return [make(OPCODE.CALL, 0, 0, 0, helper)];
      return [{ ...make(OPCODE.CALL, 0, CALL.SUBPROGRAM, 0, -1), reference: { kind: "function", name: callee } }];
    }
  }
}

function constant(dst: number, value: bigint, cpu: number): Instruction {
  if (fitsImmediate(value)) return alu(ALU.MOV, 64, dst, null, Number(value));
  if (cpu >= 3 && value >= 0n && value <= U32_MAX) return alu(ALU.MOV, 32, dst, null, Number(BigInt.asIntN(32, value)));
  return make(OPCODE.LD_IMM64, dst, 0, 0, value);
}

function terminate(fn: MachineFunction, block: MachineBlock, next: MachineBlock | undefined): Placed[] {
  const { terminator } = block;
  const { span } = terminator;
  if (terminator.op === "exit") return [exit(span)];
  if (terminator.op === "jump") return terminator.target === next ? [] : [go(terminator.target, span)];
  if (terminator.then === next) invert(terminator, fn.cpu);
  const branch: Placed = { instruction: compare(terminator), span, target: terminator.then };
  return terminator.otherwise === next ? [branch] : [branch, go(terminator.otherwise, span)];
}

function exit(span: Span | null): Placed {
  return { instruction: make(OPCODE.EXIT, 0, 0, 0, 0), span };
}

/** An exit is as short as a jump to one. */
function go(target: MachineBlock, span: Span | null): Placed {
  return isBareExit(target) ? exit(target.terminator.span ?? span) : { instruction: make(OPCODE.JA, 0, 0, 0, 0), span, target };
}

function compare({ code, width, left, right, imm }: Branch): Instruction {
  const opcode = (width === 64 ? CLASS.JMP : CLASS.JMP32) | JUMP_OPERATION[code] | (right === null ? SOURCE.K : SOURCE.X);
  return make(opcode, left, right ?? 0, 0, right === null ? imm : 0);
}

/** Fills in the offsets, after branches that are too far have been made longer. */
function resolveJumps(fn: MachineFunction, placed: Placed[], starts: Map<MachineBlock, number>): void {
  let positions = positionsOf(placed);
  const distance = (index: number, target: MachineBlock): number =>
    (positions[starts.get(target) as number] as number) - (positions[index + 1] as number);
  for (let index = 0; index < placed.length; index++) {
    const { instruction, target, span } = placed[index] as Placed;
    if (target === undefined || instruction.opcode === OPCODE.JA || fitsOffset(distance(index, target))) continue;
    if (fn.cpu < 4) throw tooFar(fn, span);
    lengthen(placed, index, starts);
    positions = positionsOf(placed);
    index = -1; // what was near may be far now
  }
  for (const [index, { instruction, target, span }] of placed.entries()) {
    if (target === undefined) continue;
    const offset = distance(index, target);
    if (fitsOffset(offset)) instruction.offset = offset;
    else if (fn.cpu < 4) throw tooFar(fn, span);
    else [instruction.opcode, instruction.imm] = [OPCODE.JA32, offset];
  }
}

function positionsOf(placed: readonly Placed[]): number[] {
  const positions = [0];
  for (const { instruction } of placed) positions.push((positions.at(-1) as number) + slots(instruction));
  return positions;
}

/** `if c goto far` becomes `if c goto 1; goto 2; 1: goto far; 2:`, since not every condition has an inverse. */
function lengthen(placed: Placed[], index: number, starts: Map<MachineBlock, number>): void {
  const { instruction, span, target } = placed[index] as Placed;
  const over: Placed = { instruction: make(OPCODE.JA, 0, 0, 1, 0), span };
  const far: Placed = { instruction: make(OPCODE.JA, 0, 0, 0, 0), span, target };
  placed.splice(index, 1, { instruction: { ...instruction, offset: 1 }, span }, over, far);
  for (const [block, start] of starts) if (start > index) starts.set(block, start + 2);
}

function tooFar(fn: MachineFunction, span: Span | null): WirescriptError {
  const place = span === null ? "" : ` at ${span.file}:${span.line}:${span.column}`;
  return new WirescriptError({
    code: "COMPILE",
    what: `${fn.name} is so long that a branch${place} cannot reach its target`,
    why: "a conditional jump of eBPF reaches 32,767 instructions",
    fix: "shorten the program: loop instead of repeating code, or move a part into a function of its own",
  });
}

/** The places where the source line or column changes; the first at slot 0. */
function linesOf(placed: readonly Placed[]): LineSpec[] {
  const lines: LineSpec[] = [];
  let slot = 0;
  for (const { instruction, span } of placed) {
    const last = lines.at(-1);
    if (span !== null && !(last?.file === span.file && last.line === span.line && last.column === span.column)) {
      const { file, line, column } = span;
      // A comment may hold a NUL, which would end the text in BTF.
      const text = span.text.trim().replaceAll("\0", "\u2400");
      lines.push({ slot: last === undefined ? 0 : slot, file, text, line, column });
    }
    slot += slots(instruction);
  }
  return lines;
}
