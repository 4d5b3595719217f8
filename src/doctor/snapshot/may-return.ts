/**
 * Whether a program may return a constant. Its order of execution is not followed: a register or a word of the stack holds whatever is put into it
 * anywhere. So "yes" may be wrong where a register has several uses, and "no" only where the value is computed, or comes from a map.
 */
import type { Instruction } from "../../object/instruction.ts";
import { ALU, CLASS, CLASS_MASK, MODE, MODE_MASK, OPERATION_MASK, SOURCE } from "../../object/opcodes.ts";

const FRAME_POINTER = 10;

/** A register's number, or "stack" and the distance from the frame pointer. */
type Place = number | `stack${number}`;

/** What an instruction puts where: a constant, or what is in another place. */
type Move = { to: Place; constant: number } | { to: Place; from: Place };

export function mayReturn(instructions: readonly Instruction[], value: number): boolean {
  const moves = instructions.flatMap(moveOf);
  const results = new Set<Place>([0]);
  for (let before = 0; before < results.size; ) {
    before = results.size;
    for (const move of moves) if ("from" in move && results.has(move.to)) results.add(move.from);
  }
  return moves.some((move) => "constant" in move && move.constant === value && results.has(move.to));
}

function moveOf({ opcode, dst, src, offset, imm }: Instruction): Move | [] {
  const kind = opcode & CLASS_MASK;
  if (kind === CLASS.ALU || kind === CLASS.ALU64) {
    if ((opcode & OPERATION_MASK) !== ALU.MOV) return [];
    return (opcode & SOURCE.X) === 0 ? { to: dst, constant: Number(imm) } : { to: dst, from: src };
  }
  if ((opcode & MODE_MASK) !== MODE.MEM) return [];
  if (kind === CLASS.ST && dst === FRAME_POINTER) return { to: `stack${offset}`, constant: Number(imm) };
  if (kind === CLASS.STX && dst === FRAME_POINTER) return { to: `stack${offset}`, from: src };
  if (kind === CLASS.LDX && src === FRAME_POINTER) return { to: dst, from: `stack${offset}` };
  return [];
}
