/**
 * Machine IR: eBPF instructions over virtual registers. Registers 0 to 10 are the machine's own (r0 result, r1 to r5 helper
 * arguments, r6 to r9 kept across calls, r10 frame pointer); from 11 on they are virtual until `allocate.ts` has coloured them.
 * Arithmetic is in two-address form already (`dst op= src`), so that a copy which the allocator cannot remove is visible as one.
 */
import type { Reference } from "../../object/instruction.ts";
import type { AccessSize, CompareOp, Region, Span } from "../ir/ir.ts";

export type Cpu = 1 | 2 | 3 | 4;
export type Register = number;

export const RESULT = 0;
export const CONTEXT = 1;
export const LAST_ARGUMENT = 5;
export const LAST_ALLOCATABLE = 9;
export const FRAME_POINTER = 10;
export const FIRST_VIRTUAL = 11;
/** Colours that the allocator may hand out: r0 to r9. */
export const COLOURS = 10;

/** A piece of the stack. `offset` is relative to r10, so negative; set by `frame.ts`. */
export interface Slot {
  size: number;
  align: AccessSize;
  offset: number;
  /** Its address is more than a helper's argument, so that accesses are not all known. */
  escapes: boolean;
  /** Made by the allocator for a value without a register. */
  spill: boolean;
  /** A number's home (`homes.ts`): the id of the block where the paths meet that write it. */
  home?: number;
}

export type AluCode =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "mod"
  | "sdiv"
  | "smod"
  | "and"
  | "or"
  | "xor"
  | "lsh"
  | "rsh"
  | "arsh"
  | "neg";

/** `set` is "any bit in common" (BPF_JSET); it has no inverse. */
export type JumpCode = CompareOp | "set";

/** An address `base + offset`; with a slot the base is r10 and the offset counts from the slot's start. */
export interface Address {
  base: Register;
  slot: Slot | null;
  offset: number;
}

interface Access extends Address {
  size: AccessSize;
  region: Region;
}

interface Placed {
  span: Span | null;
}

export type MachineInstruction = Placed &
  (
    | { op: "mov"; dst: Register; src: Register }
    | { op: "const"; dst: Register; value: bigint }
    | { op: "address"; dst: Register; reference: Reference }
    /** Address of a stack slot: two instructions in the end. */
    | { op: "frame"; dst: Register; slot: Slot; offset: number }
    /** `src` null: the operand is `imm`. `ordered`: what is in `dst` must stay on the left (`mayBeOnStack`). */
    | { op: "alu"; code: AluCode; width: 32 | 64; dst: Register; src: Register | null; imm: number; ordered?: true }
    /** Copies and zero- or sign-extends the low `bits`. */
    | { op: "extend"; signed: boolean; bits: 8 | 16 | 32; dst: Register; src: Register }
    /** Host to big endian, in place. */
    | { op: "swap"; bits: 16 | 32 | 64; dst: Register }
    | ({ op: "load"; dst: Register } & Access)
    | ({ op: "store"; src: Register | null; imm: number } & Access)
    | ({ op: "atomic_add"; src: Register } & Access)
    /** Of a helper, or of the subprogram `callee`. Reads r1 to r`args`, writes r0, destroys r1 to r5. */
    | { op: "call"; helper: number; callee: string | null; args: number }
  );

export type MachineTerminator = Placed &
  (
    | { op: "jump"; target: MachineBlock }
    | {
        op: "branch";
        code: JumpCode;
        width: 32 | 64;
        left: Register;
        right: Register | null;
        imm: number;
        /** As in `Condition`. */
        staysAddress?: boolean;
        then: MachineBlock;
        otherwise: MachineBlock;
      }
    /** Reads r0. */
    | { op: "exit" }
  );

export type Branch = Extract<MachineTerminator, { op: "branch" }>;

export interface MachineBlock {
  id: number;
  instructions: MachineInstruction[];
  terminator: MachineTerminator;
  /** Loops around the block, for spill costs; set by `loops.ts`. */
  depth: number;
  /** As a block of the intermediate representation. */
  early?: boolean;
}

export interface MachineFunction {
  name: string;
  cpu: Cpu;
  /** The first is the entry. The order is the source's until `layout.ts` decides. */
  blocks: MachineBlock[];
  slots: Slot[];
  nextRegister: Register;
  nextBlock: number;
}

export function newBlock(fn: MachineFunction): MachineBlock {
  return { id: fn.nextBlock++, instructions: [], terminator: { op: "exit", span: null }, depth: 0 };
}

export function newRegister(fn: MachineFunction): Register {
  return fn.nextRegister++;
}

export function successors(block: MachineBlock): MachineBlock[] {
  const terminator = block.terminator;
  if (terminator.op === "jump") return [terminator.target];
  if (terminator.op === "branch") return [terminator.then, terminator.otherwise];
  return [];
}

/** Leads the block's jump or branch to what stands for its target; a branch whose ways meet stays one. */
export function retarget({ terminator }: MachineBlock, standsFor: (target: MachineBlock) => MachineBlock): void {
  if (terminator.op === "jump") terminator.target = standsFor(terminator.target);
  if (terminator.op !== "branch") return;
  terminator.then = standsFor(terminator.then);
  terminator.otherwise = standsFor(terminator.otherwise);
}

/** Puts another block in the place of each that has a `replacement`. */
export function replaceBlocks(fn: MachineFunction, replacement: ReadonlyMap<MachineBlock, MachineBlock>): void {
  for (const block of fn.blocks) retarget(block, (target) => replacement.get(target) ?? target);
  fn.blocks = fn.blocks.filter((block) => !replacement.has(block));
}

export function predecessors(blocks: readonly MachineBlock[]): Map<MachineBlock, MachineBlock[]> {
  const result = new Map<MachineBlock, MachineBlock[]>(blocks.map((block) => [block, []]));
  for (const block of blocks) for (const successor of successors(block)) result.get(successor)?.push(block);
  return result;
}

/** The register that the instruction writes, calls apart; -1 when there is none. */
export function written(instruction: MachineInstruction): Register {
  switch (instruction.op) {
    case "store":
    case "atomic_add":
    case "call":
      return -1;
    default:
      return instruction.dst;
  }
}

/** Whether the instruction changes its `dst` in place. */
export function readsTarget(
  instruction: MachineInstruction,
): instruction is Extract<MachineInstruction, { op: "alu" | "swap" }> {
  return instruction.op === "alu" || instruction.op === "swap";
}

/** Calls `visit` for every register read, in-place targets included. */
export function forEachRead(instruction: MachineInstruction | MachineTerminator, visit: (register: Register) => void): void {
  switch (instruction.op) {
    case "mov":
    case "extend":
      return visit(instruction.src);
    case "alu":
      visit(instruction.dst);
      if (instruction.src !== null) visit(instruction.src);
      return;
    case "swap":
      return visit(instruction.dst);
    case "load":
      return visit(instruction.base);
    case "store":
    case "atomic_add":
      visit(instruction.base);
      if (instruction.src !== null) visit(instruction.src);
      return;
    case "call":
      for (let register = 1; register <= instruction.args; register++) visit(register);
      return;
    case "branch":
      visit(instruction.left);
      if (instruction.right !== null) visit(instruction.right);
      return;
    case "exit":
      return visit(RESULT);
  }
}

/** Calls `visit` for every register written, those destroyed by a call included. */
export function forEachWrite(instruction: MachineInstruction, visit: (register: Register) => void): void {
  if (instruction.op === "call") for (let register = RESULT; register <= LAST_ARGUMENT; register++) visit(register);
  else {
    const register = written(instruction);
    if (register >= 0) visit(register);
  }
}

export function reads(instruction: MachineInstruction | MachineTerminator, register: Register): boolean {
  let found = false;
  forEachRead(instruction, (each) => {
    if (each === register) found = true;
  });
  return found;
}

export function writes(instruction: MachineInstruction, register: Register): boolean {
  let found = false;
  forEachWrite(instruction, (each) => {
    if (each === register) found = true;
  });
  return found;
}

/** Replaces the registers that are read, in-place targets apart. */
export function renameReads(
  instruction: MachineInstruction | MachineTerminator,
  rename: (register: Register) => Register,
): void {
  switch (instruction.op) {
    case "mov":
    case "extend":
      instruction.src = rename(instruction.src);
      return;
    case "alu":
      if (instruction.src !== null) instruction.src = rename(instruction.src);
      return;
    case "load":
      instruction.base = rename(instruction.base);
      return;
    case "store":
    case "atomic_add":
      instruction.base = rename(instruction.base);
      if (instruction.src !== null) instruction.src = rename(instruction.src);
      return;
    case "branch":
      instruction.left = rename(instruction.left);
      if (instruction.right !== null) instruction.right = rename(instruction.right);
  }
}

/** Replaces the register that is written (in place or not). */
export function renameWrite(instruction: MachineInstruction, rename: (register: Register) => Register): void {
  if ("dst" in instruction) instruction.dst = rename(instruction.dst);
}
