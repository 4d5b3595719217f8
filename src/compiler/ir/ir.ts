/**
 * The intermediate representation: functions of basic blocks in SSA form, close enough to eBPF that every instruction costs
 * about one machine instruction, and far enough that no pass thinks about registers.
 *
 * What to know before writing a pass:
 * - Values are 64 bits wide. `load` zero-extends, `store` takes the low `size` bytes; wrapping at a width is explicit (`zext`, `sext`).
 * - A value's `type` says what the verifier sees in its register: "int", "bool" (0 or 1) or "ptr".
 * - Pointers: the verifier proves packet bounds per pointer *value*. `add` of a pointer and a variable must stay one value: never
 *   duplicate, reassociate or rematerialise it. Adding constants to it is free. A comparison of a packet pointer with
 *   `data_end` keeps its shape: `ugt(add(p, N), end)` and its negation.
 * - Loads and stores are control dependent on such checks: never move one up past a branch. Removing is fine. Only the context's numbers can
 *   be read anywhere, as long as nothing changes them in between.
 * - A ring buffer's record (region "record") is forgotten by the verifier when it is submitted or discarded: nothing that hangs on its
 *   address, comparisons included, may be computed later than the program says.
 * - Phi arguments stand in the order of `block.predecessors`.
 * - Every block ends in exactly one terminator; `function.blocks[0]` is the entry and has no predecessors.
 */

/** A place in the source, for line info and messages. Line and column are 1-based. */
export interface Span {
  /** Absolute path. */
  file: string;
  line: number;
  column: number;
  /** Text of the whole source line. */
  text: string;
}

/** What a value is to the verifier. */
export type ValueType = "int" | "bool" | "ptr" | "void";

/** What memory a pointer reaches: decides alignment rules, aliasing and which helpers may change it. */
export type Region = "context" | "packet" | "map" | "stack" | "data" | "record";

export type AccessSize = 1 | 2 | 4 | 8;

export const BINARY_OPS = [
  "add",
  "sub",
  "mul",
  "udiv",
  "umod",
  "sdiv",
  "smod",
  "and",
  "or",
  "xor",
  "shl",
  "lshr",
  "ashr",
] as const;
/** 64-bit arithmetic, wrapping. Division by zero gives 0, modulo by zero the dividend; shifts take their amount modulo 64. */
export type BinaryOp = (typeof BINARY_OPS)[number];

export const COMPARE_OPS = ["eq", "ne", "ugt", "uge", "ult", "ule", "sgt", "sge", "slt", "sle"] as const;
/** 64-bit comparison, giving a bool. */
export type CompareOp = (typeof COMPARE_OPS)[number];

/** `bits` is the width of what is kept: 8, 16 or 32. */
export type ExtendOp = "zext" | "sext";

interface Common {
  /** Unique in its function; printed as `vN`. */
  id: number;
  type: ValueType;
  args: Value[];
  /** `null` for what the compiler made up. */
  span: Span | null;
  /** Of an addition that counts the rounds of a loop: how many begin at most each time that it is entered. */
  rounds?: number;
}

export type Instruction =
  | (Common & { op: "context" })
  /**
   * What the caller passed: number `index`, from 0 to 4. Subprograms only, and once for each index, in the entry. An address is `align`
   * bytes, or a multiple, from the start of what it points into; 1 unless given. Likewise what a call gives.
   */
  | (Common & { op: "argument"; index: number; align?: number })
  | (Common & { op: "const"; value: bigint })
  | (Common & { op: BinaryOp })
  | (Common & { op: CompareOp })
  | (Common & { op: ExtendOp; bits: 8 | 16 | 32 })
  /** Reverses the low `bits / 8` bytes and zero-extends. The verifier forgets the value's range. */
  | (Common & { op: "bswap"; bits: 16 | 32 | 64 })
  | (Common & { op: "load"; size: AccessSize; offset: number; region: Region })
  /** args: pointer, value. */
  | (Common & { op: "store"; size: AccessSize; offset: number; region: Region })
  /** Atomic add of `size` 4 or 8 to memory; args: pointer, addend. No result. */
  | (Common & { op: "atomic_add"; size: 4 | 8; offset: number; region: Region })
  /**
   * Memory on the stack, alive for the whole function; gives its address. `size` in bytes, `align` 1, 2, 4 or 8. `counted`: how many bytes are used, where
   * addresses in it are made of numbers, and the verifier takes those to reach farther than they do.
   */
  | (Common & { op: "slot"; size: number; align: AccessSize; counted?: number })
  | (Common & { op: "map"; name: string })
  /** Address of `offset` bytes into a data section. */
  | (Common & { op: "data"; section: string; offset: number })
  /** Address of a subprogram, for a helper that calls it back. */
  | (Common & { op: "function"; name: string })
  /**
   * A kernel helper by its number, or the subprogram named `callee`, when `helper` is `SUBPROGRAM`; up to five args. Clobbers r1 to r5.
   * See `effects.ts` for what it reads and writes.
   */
  | (Common & { op: "call"; helper: number; callee?: string; align?: number })
  | (Common & { op: "phi" });

export type Op = Instruction["op"];

/** Every instruction is the value it computes. */
export type Value = Instruction;

export type Terminator =
  | { op: "jump"; args: []; targets: [Block]; span: Span | null }
  /** Goes to `targets[0]` when the bool `args[0]` is 1, else to `targets[1]`. */
  | { op: "branch"; args: [Value]; targets: [Block, Block]; span: Span | null }
  | { op: "return"; args: [Value]; targets: []; span: Span | null };

export interface Block {
  /** Unique in its function; printed as `bN`. */
  id: number;
  /** One entry per edge, so a branch with equal targets stands here twice. */
  predecessors: Block[];
  /** Phis first. */
  instructions: Instruction[];
  terminator: Terminator;
  /** The way that comes first in the source's order falls into it, so that the verifier comes here by it before the others. */
  early?: boolean;
}

export interface Function {
  name: string;
  blocks: Block[];
  /** For fresh ids. */
  nextId: number;
}

/** The helper number of calls to subprograms. No helper has it (BPF_FUNC_unspec), so that whoever asks what it does hears "anything". */
export const SUBPROGRAM = 0;

/** One program of a module, lowered. */
export interface Module {
  functions: Function[];
}

export function isBinary(op: Op): op is BinaryOp {
  return (BINARY_OPS as readonly string[]).includes(op);
}

export function isCompare(op: Op): op is CompareOp {
  return (COMPARE_OPS as readonly string[]).includes(op);
}

/** Instructions that must stay even when nobody reads their result. */
export function hasSideEffect(instruction: Instruction): boolean {
  return instruction.op === "store" || instruction.op === "atomic_add" || instruction.op === "call";
}
