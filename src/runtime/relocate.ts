/**
 * Makes one stretch of code of a program and its subprograms and fills in what only the loader knows: descriptors of maps and data,
 * and the distances of calls. The pseudo sources are those of `BPF_PROG_LOAD` (linux/bpf.h, "insn[0].src_reg").
 */
import { WirescriptError } from "../errors.ts";
import { countSlots } from "../object/encoding.ts";
import { type Instruction, OPCODE_LD_IMM64, type Reference, slots } from "../object/instruction.ts";
import { CALL, PSEUDO } from "../object/opcodes.ts";
import type { ProgramSpec } from "../object/spec.ts";
import type { MapFd } from "../sys/bpf.ts";

/** Returns instructions without references. `maps`: descriptors by map name and by data section name. */
export function relocate(program: ProgramSpec, maps: ReadonlyMap<string, MapFd>): Instruction[] {
  const starts = new Map<string, number>();
  let slot = 0;
  for (const fn of program.functions) {
    starts.set(fn.name, slot);
    slot += countSlots(fn.instructions);
  }
  slot = 0;
  return program.functions.flatMap((fn) =>
    fn.instructions.map((instruction) => {
      const resolved = resolve(instruction, slot, program.name, maps, starts);
      slot += slots(instruction);
      return resolved;
    }),
  );
}

function resolve(
  instruction: Instruction,
  slot: number,
  program: string,
  maps: ReadonlyMap<string, MapFd>,
  starts: ReadonlyMap<string, number>,
): Instruction {
  const { reference, ...plain } = instruction;
  if (reference === undefined) return plain;
  switch (reference.kind) {
    case "map":
      return { ...plain, src: PSEUDO.MAP_FD, imm: BigInt(find(maps, reference.name, reference, program).number) };
    case "data": {
      const fd = BigInt(find(maps, reference.section, reference, program).number);
      return { ...plain, src: PSEUDO.MAP_VALUE, imm: (BigInt(reference.offset) << 32n) | fd };
    }
    case "function": {
      const distance = find(starts, reference.name, reference, program) - slot - 1;
      return plain.opcode === OPCODE_LD_IMM64
        ? { ...plain, src: PSEUDO.FUNC, imm: BigInt.asUintN(32, BigInt(distance)) }
        : { ...plain, src: CALL.SUBPROGRAM, imm: distance };
    }
    case "extern":
      throw unresolved(reference, reference.name, program);
  }
}

function find<T>(table: ReadonlyMap<string, T>, name: string, reference: Reference, program: string): T {
  const found = table.get(name);
  if (found !== undefined) return found;
  throw unresolved(reference, name, program);
}

function unresolved(reference: Reference, name: string, program: string): WirescriptError {
  return new WirescriptError({
    code: "BAD_FILE",
    what: `The program "${program}" refers to the ${reference.kind} "${name}", which the object does not have.`,
    why: "The object is incomplete.",
    fix: "Build it again.",
  });
}
