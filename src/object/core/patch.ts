/** Writes what a relocation comes to into its instruction. */
import type { Instruction } from "../instruction.ts";
import { malformed, unsupported } from "../malformed.ts";
import { CALL, CLASS, CLASS_MASK, MODE, MODE_MASK, OPCODE, SIZE, SIZE_MASK, SOURCE } from "../opcodes.ts";
import type { Access, Resolution } from "./resolve.ts";

/**
 * The number of the helper whose call stands where an instruction must not be reached: no kernel has it, so the verifier's
 * complaint tells. It is libbpf's, so that other people's tools know it.
 */
export const POISON = 0xbad2310;

const SIZES: ReadonlyMap<number, number> = new Map([
  [1, SIZE.B],
  [2, SIZE.H],
  [4, SIZE.W],
  [8, SIZE.DW],
]);

/** What takes the place of the instruction: as many slots. */
export function poisoned(instruction: Instruction, number = POISON): Instruction[] {
  const call: Instruction = { opcode: OPCODE.CALL, dst: 0, src: CALL.HELPER, offset: 0, imm: number };
  return instruction.opcode === OPCODE.LD_IMM64 ? [call, call] : [call];
}

/**
 * The instruction with the resolved value, or null when it cannot be right for it: a signed number of another width.
 *
 * @throws WirescriptError BAD_FILE when the instruction is none that takes a value, or holds another one than the compiler must have written.
 */
export function patched(instruction: Instruction, resolution: Extract<Resolution, { value: bigint }>): Instruction | null {
  const { value, before, access } = resolution;
  const { opcode } = instruction;
  switch (opcode & CLASS_MASK) {
    case CLASS.ALU:
    case CLASS.ALU64:
      if ((opcode & SOURCE.X) !== 0) break;
      expect(before, BigInt(instruction.imm), 32);
      return { ...instruction, imm: fitting(value, 32) };
    case CLASS.LD:
      if (opcode !== OPCODE.LD_IMM64 || instruction.reference !== undefined) break;
      expect(before, BigInt(instruction.imm), 64);
      return { ...instruction, imm: BigInt.asUintN(64, value) };
    case CLASS.LDX:
    case CLASS.ST:
    case CLASS.STX: {
      if ((opcode & MODE_MASK) === MODE.ATOMIC && access !== undefined && access.before.size !== access.after.size) return null;
      expect(before, BigInt(instruction.offset), 16);
      const offset = fitting(value, 16);
      if (access === undefined || access.before.size === access.after.size) return { ...instruction, offset };
      const size = widthChanges(instruction, access.before, access.after);
      return size === null ? null : { ...instruction, opcode: (opcode & ~SIZE_MASK) | size, offset };
    }
  }
  throw malformed(
    "A CO-RE relocation is damaged.",
    `It changes an instruction with opcode 0x${opcode.toString(16)}, which takes no value.`,
  );
}

/** Addresses and numbers without a sign may be read in another width: what is read is the same number. */
function widthChanges({ opcode }: Instruction, before: Access, after: Access): number | null {
  const isSafe = before.kind === after.kind && before.kind !== "other" && (opcode & MODE_MASK) === MODE.MEM;
  if (!isSafe) return null;
  if (SIZES.get(before.size) !== (opcode & SIZE_MASK))
    throw malformed(
      "A CO-RE relocation is damaged.",
      `The field has ${before.size} bytes, and its instruction reads another number.`,
    );
  return SIZES.get(after.size) ?? null;
}

function expect(before: bigint | undefined, there: bigint, bits: number): void {
  if (before === undefined || BigInt.asIntN(bits, before) === BigInt.asIntN(bits, there)) return;
  throw malformed(
    "A CO-RE relocation is damaged.",
    `Its instruction should hold ${before}, by the object's own types, and holds ${there}.`,
  );
}

function fitting(value: bigint, bits: number): number {
  const fits = value === BigInt.asIntN(bits, value) || (bits === 32 && value === BigInt.asUintN(bits, value));
  if (fits) return Number(BigInt.asIntN(bits, value));
  throw unsupported(
    `An instruction has no room for the value ${value}.`,
    `On this kernel the field is farther away, or the value larger, than the instruction's ${bits} bits can say.`,
    "Read the field with bpf_core_read() (a helper's call) instead of directly.",
  );
}
