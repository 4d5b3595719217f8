/**
 * Every instruction of the compiled echo server, spoilt in every simple way: left out, another constant, another offset, the opposite
 * condition. The kernel's verifier refuses most; what it lets through runs, and the cases must tell it from the original. So this
 * measures the cases: what they do not find is what they do not test, or what makes no difference (a bound that is checked again
 * later, a shift of a value that has no more bits).
 */
import { describe, expect, it } from "vitest";
import { VerifierError } from "../../src/index.ts";
import type { Instruction } from "../../src/object/instruction.ts";
import { CLASS, JMP, OPCODE } from "../../src/object/opcodes.ts";
import type { ObjectSpec } from "../../src/object/spec.ts";
import { noKernel } from "../kernel.ts";
import { firstWrong, miscounted } from "./cases.ts";
import * as cases from "./echo-cases.ts";
import { Subject, specOf } from "./subject.ts";

/** Mutants that make no difference, as a part of those that load. */
const MOST_EQUIVALENT = 0.1;

const NOTHING: Instruction = { opcode: CLASS.JMP | JMP.JA, dst: 0, src: 0, offset: 0, imm: 0 };
const OPPOSITE = new Map<number, number>(
  (
    [
      ["JEQ", "JNE"],
      ["JGT", "JLE"],
      ["JGE", "JLT"],
      ["JSGT", "JSLE"],
      ["JSGE", "JSLT"],
    ] as const
  ).flatMap(([one, other]) => [
    [JMP[one], JMP[other]],
    [JMP[other], JMP[one]],
  ]),
);
const OPERATION = 0xf0;

function* mutantsOf(instruction: Instruction): Generator<[how: string, mutant: Instruction]> {
  const { opcode, imm, offset, reference } = instruction;
  const kind = opcode & 7;
  const isJump = (kind === CLASS.JMP || kind === CLASS.JMP32) && opcode !== OPCODE.CALL && opcode !== OPCODE.EXIT;
  const isAccess = kind === CLASS.LDX || kind === CLASS.STX || kind === CLASS.ST;
  // A reference takes two slots and is the address of a map: nothing else can stand there.
  if (reference !== undefined) return;
  yield ["left out", NOTHING];
  if (typeof imm === "number" && opcode !== OPCODE.CALL) {
    for (const change of [1, -1]) yield [`constant ${imm + change}`, { ...instruction, imm: imm + change }];
  }
  if (isAccess) for (const change of [1, -1]) yield [`offset ${offset + change}`, { ...instruction, offset: offset + change }];
  const opposite = OPPOSITE.get(opcode & OPERATION);
  if (isJump && opposite !== undefined) yield ["opposite", { ...instruction, opcode: (opcode & ~OPERATION) | opposite }];
}

/** `spec` with one instruction replaced. Without lines: they would be wrong. */
function withInstruction(spec: ObjectSpec, index: number, mutant: Instruction): ObjectSpec {
  const programs = spec.programs.map((program) => ({
    ...program,
    functions: program.functions.map((fn) => ({ ...fn, lines: [], instructions: fn.instructions.with(index, mutant) })),
  }));
  return { ...spec, programs };
}

/** The program; null when the verifier refuses it. */
function load(spec: ObjectSpec): Subject | null {
  try {
    return new Subject("echo", spec);
  } catch (error) {
    if (error instanceof VerifierError) return null;
    throw error;
  }
}

describe.skipIf(noKernel !== null)(`mutants of echo${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  it("are refused by the verifier or found out by the cases, but for a few that do the same", () => {
    const spec = specOf("echo");
    const [program] = spec.programs;
    const [fn, ...others] = program?.functions ?? [];
    if (fn === undefined || others.length > 0) throw new Error("echo is expected to be one function");
    const asked = [...cases.everyKind(), ...cases.messageTypes(), ...cases.codes(), ...cases.protocols()];

    let loaded = 0;
    const survivors: string[] = [];
    for (const [index, instruction] of fn.instructions.entries()) {
      for (const [how, mutant] of mutantsOf(instruction)) {
        using subject = load(withInstruction(spec, index, mutant));
        if (subject === null) continue;
        loaded++;
        if (firstWrong((packet) => subject.run(packet), asked) !== null) continue;
        if (miscounted(subject, asked) === null) survivors.push(`${index}: ${JSON.stringify(instruction)} ${how}`);
      }
    }
    expect(loaded).toBeGreaterThan(100);
    expect(survivors.length / loaded, survivors.join("\n")).toBeLessThan(MOST_EQUIVALENT);
    expect(survivors.filter((survivor) => survivor.endsWith("opposite"))).toEqual([]);
  });
});
