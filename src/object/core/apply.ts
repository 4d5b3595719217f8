/** An object adapted to a kernel: every CO-RE relocation resolved and written into its instruction. */

import { WirescriptError } from "../../errors.ts";
import type { KernelTypes } from "../btf/kernel-types.ts";
import { type Instruction, slots } from "../instruction.ts";
import type { FunctionSpec, ObjectSpec, ProgramSpec } from "../spec.ts";
import { patched, poisoned } from "./patch.ts";
import { CoreResolver, type Resolution } from "./resolve.ts";

/** What an instruction wanted that the kernel does not have; its place holds a call of a function that does not exist. */
export interface Missing {
  /** "the member pid of struct task_struct" */
  what: string;
  why: string;
  /** Unless it is to ask first whether it is there. */
  fix?: string;
}

export interface AdaptedObject {
  /** Without relocations. Functions that had none are those of the object that was given. */
  spec: ObjectSpec;
  /** By function and slot. */
  missing: ReadonlyMap<FunctionSpec, ReadonlyMap<number, Missing>>;
}

/**
 * `kernel` is asked for only when a relocation needs the kernel's types.
 *
 * @throws WirescriptError BAD_FILE naming function and reason for a relocation that makes no sense.
 */
export function applyCore(spec: ObjectSpec, programs: readonly ProgramSpec[], kernel: () => KernelTypes): AdaptedObject {
  const missing = new Map<FunctionSpec, Map<number, Missing>>();
  if (spec.btf === null) return { spec: { ...spec, programs: [...programs] }, missing };
  const resolver = new CoreResolver(spec.btf, kernel);
  const adapted = new Map<FunctionSpec, FunctionSpec>();
  const adapt = (fn: FunctionSpec): FunctionSpec => {
    const known = adapted.get(fn);
    if (known !== undefined) return known;
    const { core, ...plain } = fn;
    const holes = new Map<number, Missing>();
    const result = core === undefined ? fn : { ...plain, instructions: adaptCode(fn, resolver, holes) };
    if (holes.size > 0) missing.set(result, holes);
    adapted.set(fn, result);
    return result;
  };
  return {
    spec: { ...spec, programs: programs.map((program) => ({ ...program, functions: program.functions.map(adapt) })) },
    missing,
  };
}

function adaptCode(fn: FunctionSpec, resolver: CoreResolver, holes: Map<number, Missing>): Instruction[] {
  const relocations = new Map((fn.core ?? []).map((relocation) => [relocation.slot, relocation]));
  let slot = 0;
  return fn.instructions.flatMap((instruction) => {
    const relocation = relocations.get(slot);
    const at = slot;
    slot += slots(instruction);
    if (relocation === undefined) return [instruction];
    try {
      const resolution = resolver.resolve(relocation);
      const result = "value" in resolution ? patched(instruction, resolution) : null;
      if (result !== null) return [result];
      const gap = missingOf(resolution);
      holes.set(at, gap);
      if (slots(instruction) === 2) holes.set(at + 1, gap);
      return poisoned(instruction);
    } catch (error) {
      if (!(error instanceof WirescriptError) || error.code !== "BAD_FILE") throw error;
      const { code, why, fix } = error;
      throw new WirescriptError({ code, what: `Function ${fn.name}, slot ${at}: ${error.message}`, why, fix, cause: error });
    }
  });
}

function missingOf(resolution: Resolution): Missing {
  if ("missing" in resolution) return { what: resolution.missing, why: resolution.why };
  const { before, after } = resolution.access ?? {};
  return {
    what: `a number of ${before?.size} bytes`,
    why: `On this kernel it has ${after?.size} bytes, and its sign would be read wrongly; bpf_core_read() and BPF_CORE_READ_BITFIELD know what to do.`,
  };
}
