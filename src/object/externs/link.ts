/** Code with every reference to the running kernel replaced by what it comes to there. */
import type { AdaptedObject, Missing } from "../core/apply.ts";
import { poisoned } from "../core/patch.ts";
import { type Instruction, slots } from "../instruction.ts";
import { CALL, OPCODE, PSEUDO } from "../opcodes.ts";
import type { FunctionSpec, ProgramSpec } from "../spec.ts";

/** What an extern is on a kernel. */
export type ResolvedExtern =
  | { kind: "data"; section: string; offset: number }
  /** A variable or function in the kernel's own BTF. */
  | { kind: "type"; id: number }
  | { kind: "address"; address: bigint }
  /** A weak one that is not there. */
  | { kind: "missing"; missing: Missing };

/** libbpf's number for calls of kernel functions that do not exist (`POISON_CALL_KFUNC_BASE`). */
const POISON_FUNCTION = 2_002_000_000;

/** Names of the externs that the programs use. */
export function usedExterns(programs: readonly ProgramSpec[]): Set<string> {
  const names = new Set<string>();
  for (const { functions } of programs)
    for (const { instructions } of functions)
      for (const { reference } of instructions) if (reference?.kind === "extern") names.add(reference.name);
  return names;
}

/** `externs` has all that the programs use. */
export function linkExterns(object: AdaptedObject, externs: ReadonlyMap<string, ResolvedExtern>): AdaptedObject {
  if (externs.size === 0) return object;
  const missing = new Map<FunctionSpec, ReadonlyMap<number, Missing>>();
  const linked = new Map<FunctionSpec, FunctionSpec>();
  const link = (fn: FunctionSpec): FunctionSpec => {
    const known = linked.get(fn);
    if (known !== undefined) return known;
    const holes = new Map(object.missing.get(fn));
    const result = { ...fn, instructions: linkCode(fn, externs, holes) };
    if (holes.size > 0) missing.set(result, holes);
    linked.set(fn, result);
    return result;
  };
  const programs = object.spec.programs.map((program) => ({ ...program, functions: program.functions.map(link) }));
  return { spec: { ...object.spec, programs }, missing };
}

function linkCode(fn: FunctionSpec, externs: ReadonlyMap<string, ResolvedExtern>, holes: Map<number, Missing>): Instruction[] {
  let slot = 0;
  return fn.instructions.flatMap((instruction) => {
    const at = slot;
    slot += slots(instruction);
    const { reference, ...plain } = instruction;
    const extern = reference?.kind === "extern" ? externs.get(reference.name) : undefined;
    if (extern === undefined) return [instruction];
    if (extern.kind === "missing" && plain.opcode === OPCODE.CALL) {
      holes.set(at, extern.missing);
      return poisoned(plain, POISON_FUNCTION);
    }
    return [linkedInstruction(plain, extern)];
  });
}

function linkedInstruction(instruction: Instruction, extern: ResolvedExtern): Instruction {
  switch (extern.kind) {
    case "data":
      return { ...instruction, reference: extern };
    case "type":
      return instruction.opcode === OPCODE.CALL
        ? { ...instruction, src: CALL.KFUNC, offset: 0, imm: extern.id }
        : { ...instruction, src: PSEUDO.BTF_ID, imm: BigInt(extern.id) };
    case "address":
      return { ...instruction, src: 0, imm: extern.address };
    case "missing":
      return { ...instruction, src: 0, imm: 0n };
  }
}
