/**
 * Instructions to the kernel's bytes and back, little-endian (x86-64 and arm64 hosts, `bpfel` objects).
 *
 * An instruction with a `reference` is encoded in its *unlinked* form, whatever its `src` and `imm` hold: a wide load with `src` 0 and
 * `imm` 0, a call with `src` 1 (a subprogram) and `imm` -1. That form is also what `readElf` gives. Whoever links (the ELF writer,
 * the loader) replaces such an instruction by one without a reference before it encodes. Source: RFC 9669 section 3.
 */
import { WirescriptError } from "../errors.ts";
import { type Instruction, slots } from "./instruction.ts";
import { CALL, OPCODE, SLOT_SIZE } from "./opcodes.ts";

/** Slots of 8 bytes that the instructions take together. */
export function countSlots(instructions: readonly Instruction[]): number {
  let count = 0;
  for (const instruction of instructions) count += slots(instruction);
  return count;
}

/** The instruction as it stands in a relocatable object: `src` and `imm` say nothing, the reference says all. */
export function unlinked(instruction: Instruction): Instruction {
  if (instruction.reference === undefined) return instruction;
  return instruction.opcode === OPCODE.LD_IMM64
    ? { ...instruction, src: 0, imm: 0n }
    : { ...instruction, src: CALL.SUBPROGRAM, imm: -1 };
}

/** Returns 8 bytes per slot. Throws RangeError when a field does not fit: a defect of whoever made the instruction. */
export function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(countSlots(instructions) * SLOT_SIZE);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const each of instructions) {
    const instruction = unlinked(each);
    checkFields(instruction, at / SLOT_SIZE);
    view.setUint8(at, instruction.opcode);
    view.setUint8(at + 1, (instruction.src << 4) | instruction.dst);
    view.setInt16(at + 2, instruction.offset, true);
    if (instruction.opcode === OPCODE.LD_IMM64) {
      const imm = BigInt.asUintN(64, BigInt(instruction.imm));
      view.setUint32(at + 4, Number(imm & 0xffff_ffffn), true);
      view.setUint32(at + 12, Number(imm >> 32n), true);
      at += 2 * SLOT_SIZE;
    } else {
      view.setInt32(at + 4, Number(instruction.imm), true);
      at += SLOT_SIZE;
    }
  }
  return bytes;
}

function checkFields({ opcode, dst, src, offset, imm }: Instruction, slot: number): void {
  const wide = opcode === OPCODE.LD_IMM64;
  check(inRange(opcode, 0, 0xff), "opcode", opcode, slot);
  check(inRange(dst, 0, 15), "dst", dst, slot);
  check(inRange(src, 0, 15), "src", src, slot);
  check(inRange(offset, -0x8000, 0x7fff), "offset", offset, slot);
  const fits = wide ? BigInt.asIntN(64, BigInt(imm)) === BigInt(imm) || BigInt.asUintN(64, BigInt(imm)) === BigInt(imm) : true;
  check(fits && (wide || inRange(Number(imm), -0x8000_0000, 0x7fff_ffff)), "imm", imm, slot);
}

function inRange(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}

function check(condition: boolean, field: string, value: number | bigint, slot: number): void {
  if (!condition) throw new RangeError(`instruction at slot ${slot}: ${field} ${value} does not fit`);
}

/**
 * Returns the instructions, without references; the immediate of a wide load is unsigned. Opcodes are not judged: the verifier knows
 * best which ones exist. Throws WirescriptError (BAD_FILE) when the bytes end within an instruction, a wide load lacks its
 * second half, or a register does not exist.
 */
export function decode(bytes: Uint8Array): Instruction[] {
  if (bytes.length % SLOT_SIZE !== 0) {
    throw malformed("The bytecode ends in the middle of an instruction.", `${bytes.length} bytes are no multiple of 8.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const instructions: Instruction[] = [];
  for (let at = 0; at < bytes.length; at += SLOT_SIZE) {
    const opcode = view.getUint8(at);
    const registers = view.getUint8(at + 1);
    const dst = registers & 0x0f;
    const src = registers >> 4;
    const offset = view.getInt16(at + 2, true);
    // r11 is the kernel's own scratch register: it appears in programs dumped from a kernel.
    if (dst > 11 || src > 11) {
      throw malformed(
        `The instruction at slot ${at / SLOT_SIZE} names a register that does not exist.`,
        `dst is r${dst}, src is r${src}.`,
      );
    }
    if (opcode !== OPCODE.LD_IMM64) {
      instructions.push({ opcode, dst, src, offset, imm: view.getInt32(at + 4, true) });
      continue;
    }
    if (at + 2 * SLOT_SIZE > bytes.length || view.getUint32(at + 8, true) !== 0) {
      throw malformed(
        `The wide load at slot ${at / SLOT_SIZE} lacks its second half.`,
        "ld_imm64 takes two slots, and the second has nothing but an immediate.",
      );
    }
    const imm = (BigInt(view.getUint32(at + 12, true)) << 32n) | BigInt(view.getUint32(at + 4, true));
    instructions.push({ opcode, dst, src, offset, imm });
    at += SLOT_SIZE;
  }
  return instructions;
}

function malformed(what: string, why: string): WirescriptError {
  return new WirescriptError({ code: "BAD_FILE", what, why, fix: "Build the object again; this file is damaged." });
}
