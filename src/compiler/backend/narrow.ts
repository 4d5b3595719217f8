/**
 * 32-bit arithmetic, comparisons and copies where they do the same as 64-bit ones, because the numbers are known to have no upper
 * half. The verifier must know it as well: a 32-bit comparison tells it nothing of an upper half that it takes for unknown. The machine
 * code of x86-64 is a byte shorter for each, for want of a prefix.
 *
 * Runs when registers are assigned, over bounds that flow forward from loads, masks and constants. Pointers have none, so they are left
 * alone.
 */
import {
  type AluCode,
  COLOURS,
  FRAME_POINTER,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  type MachineTerminator,
  type Register,
  successors,
  written,
} from "./machine.ts";

const U32_MAX = 0xffff_ffff;
const S32_MAX = 0x7fff_ffff;
const UNKNOWN = Number.POSITIVE_INFINITY;

/** The largest unsigned number that each of r0 to r9 may hold; UNKNOWN for more than 32 bits, and for pointers. */
type Bounds = number[];

export function narrow(fn: MachineFunction): void {
  if (fn.cpu < 3) return;
  const before = solve(fn);
  for (const block of fn.blocks) {
    const bounds = [...(before.get(block) as Bounds)];
    for (const [index, instruction] of block.instructions.entries()) {
      block.instructions[index] = narrowed(instruction, bounds);
      step(instruction, bounds);
    }
    narrowBranch(block.terminator, bounds);
  }
}

function solve(fn: MachineFunction): Map<MachineBlock, Bounds> {
  const before = new Map<MachineBlock, Bounds>();
  const entry = fn.blocks[0] as MachineBlock;
  before.set(entry, new Array(COLOURS).fill(UNKNOWN));
  const waiting = new Set([entry]);
  const rounds = new Map<MachineBlock, number>();
  for (const block of waiting) {
    waiting.delete(block);
    const bounds = [...(before.get(block) as Bounds)];
    for (const instruction of block.instructions) step(instruction, bounds);
    for (const next of successors(block)) {
      const round = (rounds.get(next) ?? 0) + 1;
      rounds.set(next, round);
      if (join(before, next, bounds, round)) waiting.add(next);
    }
  }
  return before;
}

/** Ways into a block after which a bound that still grows is that of a loop's counter. */
const MOST_ROUNDS = 64;

function join(before: Map<MachineBlock, Bounds>, block: MachineBlock, bounds: Bounds, round: number): boolean {
  const known = before.get(block);
  if (known === undefined) {
    before.set(block, [...bounds]);
    return true;
  }
  let changed = false;
  for (const [register, bound] of bounds.entries()) {
    if (bound <= (known[register] as number)) continue;
    known[register] = round > MOST_ROUNDS ? UNKNOWN : bound;
    changed = true;
  }
  return changed;
}

function step(instruction: MachineInstruction, bounds: Bounds): void {
  if (instruction.op === "call") {
    bounds.fill(UNKNOWN, 0, 6);
    return;
  }
  const register = written(instruction);
  if (register >= 0 && register < COLOURS) bounds[register] = boundOf(instruction, bounds);
}

function boundOf(instruction: MachineInstruction, bounds: Bounds): number {
  const of = (register: Register): number => (register === FRAME_POINTER ? UNKNOWN : (bounds[register] as number));
  switch (instruction.op) {
    case "mov":
      return of(instruction.src);
    case "const":
      return instruction.value >= 0n && instruction.value <= BigInt(U32_MAX) ? Number(instruction.value) : UNKNOWN;
    case "extend":
      return instruction.signed ? UNKNOWN : Math.min(of(instruction.src), 2 ** instruction.bits - 1);
    case "swap":
      return UNKNOWN; // the verifier forgets
    case "load":
      // The context's first fields are loaded as 32 bits, and are pointers.
      return instruction.size === 8 || instruction.region === "context" ? UNKNOWN : 2 ** (8 * instruction.size) - 1;
    case "alu": {
      const { code, width, dst, src, imm } = instruction;
      const operand = src !== null ? of(src) : imm >= 0 ? imm : UNKNOWN;
      if (isForgotten(code, src === null)) return UNKNOWN;
      const bound = result(code, of(dst), operand, src === null);
      return Math.min(bound <= U32_MAX ? bound : UNKNOWN, width === 32 ? U32_MAX : UNKNOWN);
    }
    default:
      return UNKNOWN;
  }
}

/** Whether the verifier knows nothing of the result, whatever the operands and the width (`is_safe_to_compute_dst_reg_range`). */
function isForgotten(code: AluCode, isImmediate: boolean): boolean {
  const isShift = code === "lsh" || code === "rsh" || code === "arsh";
  return code === "div" || code === "mod" || (isShift && !isImmediate);
}

/** The bound of exact arithmetic. */
function result(code: AluCode, left: number, right: number, isImmediate: boolean): number {
  switch (code) {
    case "add":
      return left + right;
    case "mul":
      return left === 0 || right === 0 ? 0 : left * right;
    case "and":
      return Math.min(left, right);
    case "or":
    case "xor":
      return below(Math.max(left, right));
    case "lsh":
      return isImmediate && right < 32 ? left * 2 ** right : UNKNOWN;
    case "rsh":
      return isImmediate && right < 32 ? Math.floor(left / 2 ** right) : UNKNOWN;
    case "arsh":
      return isImmediate && left <= S32_MAX ? left : UNKNOWN;
    default:
      return UNKNOWN;
  }
}

/** All bits that a number up to `bound` can have. */
function below(bound: number): number {
  return bound <= U32_MAX ? 2 ** (32 - Math.clz32(bound)) - 1 : UNKNOWN;
}

function narrowed(instruction: MachineInstruction, bounds: Bounds): MachineInstruction {
  if (instruction.op === "mov") {
    const { dst, src, span } = instruction;
    if (src === FRAME_POINTER || (bounds[src] as number) > U32_MAX) return instruction;
    return { op: "extend", signed: false, bits: 32, dst, src, span };
  }
  if (instruction.op !== "alu" || instruction.width === 32) return instruction;
  const { code, dst, src, imm } = instruction;
  if (src === FRAME_POINTER) return instruction;
  const left = bounds[dst] as number;
  const right = src !== null ? (bounds[src] as number) : imm >= 0 ? imm : UNKNOWN;
  return isSame(code, left, right, src === null) ? { ...instruction, width: 32 } : instruction;
}

/** Whether the 32-bit operation has the 64-bit result. */
function isSame(code: AluCode, left: number, right: number, isImmediate: boolean): boolean {
  const narrowOperands = left <= U32_MAX && right <= U32_MAX;
  switch (code) {
    case "add":
    case "mul":
      return narrowOperands && result(code, left, right, isImmediate) <= U32_MAX;
    case "and":
    case "or":
    case "xor":
    case "div":
    case "mod":
      return narrowOperands;
    case "lsh":
      return left <= U32_MAX && isImmediate && right < 32 && result(code, left, right, isImmediate) <= U32_MAX;
    case "rsh":
      return left <= U32_MAX && isImmediate && right < 32;
    case "arsh":
      return left <= S32_MAX && isImmediate && right < 32;
    default:
      return false;
  }
}

function narrowBranch(terminator: MachineTerminator, bounds: Bounds): void {
  if (terminator.op !== "branch" || terminator.width === 32) return;
  const { code, left, right, imm } = terminator;
  if (left === FRAME_POINTER || right === FRAME_POINTER) return;
  const most = Math.max(bounds[left] as number, right === null ? (imm >= 0 ? imm : UNKNOWN) : (bounds[right] as number));
  const isSigned = code === "sgt" || code === "sge" || code === "slt" || code === "sle";
  if (most <= (isSigned ? S32_MAX : U32_MAX)) terminator.width = 32;
}
