/**
 * eBPF instructions as plain values: one object per logical instruction, with symbolic references where the kernel or the ELF
 * format wants a file descriptor or a relocation. Encoding and decoding are in `encoding.ts`, the opcode numbers in `opcodes.ts`.
 *
 * A wide instruction (`ld_imm64`) is one object that takes two 8-byte slots. Jump offsets and all positions count slots, as in
 * the kernel. Source: RFC 9669.
 */
import { OPCODE } from "./opcodes.ts";

/** What a wide load or a call refers to; resolved by the ELF writer (to a relocation) or by the loader (to an fd or an offset). */
export type Reference =
  | { kind: "map"; name: string }
  /** `offset` bytes into the data section (`.rodata`, `.data`, `.bss` …) named `section`. */
  | { kind: "data"; section: string; offset: number }
  /** A subprogram: the target of a bpf-to-bpf call, or a callback's address in a wide load. */
  | { kind: "function"; name: string }
  /** A variable or function of the running kernel, by the name of its `ExternSpec`. */
  | { kind: "extern"; name: string };

export interface Instruction {
  /** The opcode byte, e.g. 0x61 for a 4-byte load. */
  opcode: number;
  /** Destination register, 0 to 10. */
  dst: number;
  /** Source register, 0 to 10, or the pseudo source of a wide load or a call when there is no `reference`. */
  src: number;
  /** Signed 16-bit: a displacement in bytes for memory access, in slots for jumps. */
  offset: number;
  /** Signed 32-bit immediate; for a wide load the whole 64 bits as a bigint. */
  imm: number | bigint;
  reference?: Reference;
}

/** `ld_imm64`: the only instruction that takes two slots. */
export const OPCODE_LD_IMM64 = OPCODE.LD_IMM64;

/** Slots of 8 bytes that the instruction takes. */
export function slots(instruction: Instruction): 1 | 2 {
  return instruction.opcode === OPCODE_LD_IMM64 ? 2 : 1;
}
