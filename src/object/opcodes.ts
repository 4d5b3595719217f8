/**
 * The numbers that make up eBPF opcodes. An opcode byte is class | size | mode for memory access and class | source | operation
 * for arithmetic and jumps, so callers write e.g. `CLASS.LDX | MODE.MEM | SIZE.W`. Source: RFC 9669 section 3 to 5 and linux/bpf.h of
 * Linux 6.18 (`load_acquire`, `store_release`, `may_goto`).
 */

/** Instruction class: the low three bits of the opcode. */
export const CLASS = { LD: 0x00, LDX: 0x01, ST: 0x02, STX: 0x03, ALU: 0x04, JMP: 0x05, JMP32: 0x06, ALU64: 0x07 } as const;
export const CLASS_MASK = 0x07;

/** Width of a memory access: 4, 2, 1 or 8 bytes. */
export const SIZE = { W: 0x00, H: 0x08, B: 0x10, DW: 0x18 } as const;
export const SIZE_MASK = 0x18;

/** How a load or store finds its memory. `MEMSX` (Linux 6.6) sign-extends; `ABS` and `IND` are the packet loads of classic BPF. */
export const MODE = { IMM: 0x00, ABS: 0x20, IND: 0x40, MEM: 0x60, MEMSX: 0x80, ATOMIC: 0xc0 } as const;
export const MODE_MASK = 0xe0;

/** Second operand of arithmetic and jumps: the immediate (`K`) or the source register (`X`). */
export const SOURCE = { K: 0x00, X: 0x08 } as const;

/** Arithmetic of the classes `ALU` (32-bit) and `ALU64`. `DIV` and `MOD` with offset 1 are signed, `MOV` with an offset sign-extends (6.6). */
export const ALU = {
  ADD: 0x00,
  SUB: 0x10,
  MUL: 0x20,
  DIV: 0x30,
  OR: 0x40,
  AND: 0x50,
  LSH: 0x60,
  RSH: 0x70,
  NEG: 0x80,
  MOD: 0x90,
  XOR: 0xa0,
  MOV: 0xb0,
  ARSH: 0xc0,
  END: 0xd0,
} as const;

/** Jumps of the classes `JMP` and `JMP32`. `JCOND` is `may_goto` (6.9). */
export const JMP = {
  JA: 0x00,
  JEQ: 0x10,
  JGT: 0x20,
  JGE: 0x30,
  JSET: 0x40,
  JNE: 0x50,
  JSGT: 0x60,
  JSGE: 0x70,
  CALL: 0x80,
  EXIT: 0x90,
  JLT: 0xa0,
  JLE: 0xb0,
  JSLT: 0xc0,
  JSLE: 0xd0,
  JCOND: 0xe0,
} as const;
export const OPERATION_MASK = 0xf0;

/** The operation of `STX | ATOMIC`, kept in the immediate. `FETCH` returns the old value (5.12); the last two came with 6.15. */
export const ATOMIC = {
  ADD: 0x00,
  OR: 0x40,
  AND: 0x50,
  XOR: 0xa0,
  FETCH: 0x01,
  XCHG: 0xe1,
  CMPXCHG: 0xf1,
  LOAD_ACQUIRE: 0x100,
  STORE_RELEASE: 0x110,
} as const;

/** Meaning of `src` in a wide load: what the immediate is before the kernel replaces it by an address. */
export const PSEUDO = { MAP_FD: 1, MAP_VALUE: 2, BTF_ID: 3, FUNC: 4, MAP_IDX: 5, MAP_IDX_VALUE: 6 } as const;

/** Meaning of `src` in a call: a helper by number, a subprogram relative to the next slot, or a kernel function by BTF id. */
export const CALL = { HELPER: 0, SUBPROGRAM: 1, KFUNC: 2 } as const;

/** Whole opcodes that are needed by name. */
export const OPCODE = {
  /** `CLASS.LD | MODE.IMM | SIZE.DW`: the only instruction of two slots. */
  LD_IMM64: 0x18,
  /** `CLASS.JMP | JMP.CALL` */
  CALL: 0x85,
  /** `CLASS.JMP | JMP.EXIT` */
  EXIT: 0x95,
  /** `CLASS.JMP | JMP.JA`, target in `offset`. */
  JA: 0x05,
  /** `CLASS.JMP32 | JMP.JA`, target in `imm` (`gotol`, Linux 6.6). */
  JA32: 0x06,
} as const;

/** Bytes of one slot. */
export const SLOT_SIZE = 8;
