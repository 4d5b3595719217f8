/**
 * A program as one of several on a device, made from any program, ours or not, without changing its source: a few instructions around it, which call
 * it as a function, look at its verdict, and go on to the next program by a tail call.
 *
 *     r6 = ctx; r7 = program(ctx)
 *     if r7 is a verdict that goes on: tail_call(ctx, next, bank)      does not return, unless there is no next
 *     return r7
 *
 * There are two copies of each program, "banks" 0 and 1, which differ in nothing but the entry of the map `next` that they go on to. All packets are
 * in one bank; a new order is written into the other, and the switch from one to the other is the exchange of the first program, which is atomic. So each
 * packet meets one order, the old or the new, and never a mixture.
 *
 * A tail call that the program itself makes ends its function only: the verdict of the program that it leads to counts as its own.
 */
import { HELPER } from "../../object/helpers.ts";
import type { Instruction, Reference } from "../../object/instruction.ts";
import { ALU, CLASS, JMP, OPCODE, SOURCE } from "../../object/opcodes.ts";
import { type FunctionSpec, MAP_TYPE, type ObjectSpec, type ProgramSpec } from "../../object/spec.ts";

/** The map of each step's successors: entry 0 for bank 0, entry 1 for bank 1. */
export const NEXT = "chain_next";

/** All packets are in one of them. */
export type Bank = 0 | 1;

/** The names of the two copies. */
export function copiesOf(name: string): readonly [string, string] {
  return [name, `${name}_bank1`];
}

/** Verdicts after which a chain goes on unless it is told otherwise: those of `chain()` in the language. */
export const GOES_ON = {
  /** XDP_PASS */
  xdp: [2],
  /** TC_ACT_OK, TC_ACT_UNSPEC, TC_ACT_PIPE */
  tc: [0, -1, 3],
} as const;

/** The object with both copies of the program in place of it. */
export function asStep(spec: ObjectSpec, program: ProgramSpec, goesOn: readonly number[]): ObjectSpec {
  const types = spec.btf === null ? null : [...spec.btf.types];
  const [entry, ...others] = program.functions as [FunctionSpec, ...FunctionSpec[]];
  const own = types?.[entry.typeId - 1];
  let wrapperType = 0;
  let calledType = 0;
  if (types !== null && own?.kind === "func") {
    wrapperType = types.push({ ...own, name: `chain_${program.name}` });
    // As a function that others call it must be static: a global one would be verified for any context there may be.
    calledType = types.push({ ...own, linkage: "static" });
  }
  const copies = copiesOf(program.name).map((name, bank): ProgramSpec => {
    const wrapper: FunctionSpec = {
      name: `chain_${program.name}`,
      instructions: wrapperOf(entry.name, goesOn, bank),
      typeId: wrapperType,
      lines: entry.lines.slice(0, 1),
    };
    return { ...program, name, functions: [wrapper, { ...entry, typeId: calledType }, ...others] };
  });
  return {
    ...spec,
    programs: spec.programs.flatMap((each) => (each.name === program.name ? copies : [each])),
    maps: [
      ...spec.maps,
      {
        name: NEXT,
        type: MAP_TYPE.PROG_ARRAY,
        keySize: 4,
        valueSize: 4,
        maxEntries: 2,
        flags: 0,
        extra: 0,
        pinning: "none",
        keyTypeId: 0,
        valueTypeId: 0,
      },
    ],
    btf: spec.btf === null || types === null ? spec.btf : { ...spec.btf, types },
  };
}

function wrapperOf(entry: string, goesOn: readonly number[], bank: number): Instruction[] {
  const leave = [copy(0, 7), plain(CLASS.JMP | JMP.EXIT, 0, 0, 0, 0)];
  const go = [
    copy(1, 6),
    { ...plain(OPCODE.LD_IMM64, 2, 0, 0, 0n), reference: { kind: "map", name: NEXT } satisfies Reference },
    plain(CLASS.ALU64 | ALU.MOV, 3, 0, 0, bank),
    plain(CLASS.JMP | JMP.CALL, 0, 0, 0, HELPER.tail_call),
    ...leave,
  ];
  // Each comparison jumps over those behind it and over the way out.
  const compare = goesOn.map((verdict, index) =>
    plain(CLASS.JMP32 | JMP.JEQ, 7, 0, goesOn.length - 1 - index + leave.length, verdict),
  );
  const call: Instruction = { ...plain(CLASS.JMP | JMP.CALL, 0, 0, 0, 0), reference: { kind: "function", name: entry } };
  return [copy(6, 1), call, copy(7, 0), ...compare, ...leave, ...go];
}

function plain(opcode: number, dst: number, src: number, offset: number, imm: number | bigint): Instruction {
  return { opcode, dst, src, offset, imm };
}

function copy(dst: number, src: number): Instruction {
  return plain(CLASS.ALU64 | ALU.MOV | SOURCE.X, dst, src, 0, 0);
}
