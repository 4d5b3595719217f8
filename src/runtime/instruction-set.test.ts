/** The kernel is asked what it takes; kernels that we do not have are stood in for by what they would refuse. */
import { release } from "node:os";
import { describe, expect, it } from "vitest";
import { isRoot } from "../../test/own-network.ts";
import type { Instruction } from "../object/instruction.ts";
import { CLASS, CLASS_MASK, OPERATION_MASK } from "../object/opcodes.ts";
import { newestInstructionSet, newestOf } from "./instruction-set.ts";

const V2_JUMPS = new Set([0xa0, 0xb0, 0xc0, 0xd0]);

function age({ opcode, offset }: Instruction): number {
  const operation = opcode & OPERATION_MASK;
  if ((opcode & CLASS_MASK) === CLASS.JMP32) return 3;
  if ((opcode & CLASS_MASK) === CLASS.JMP) return V2_JUMPS.has(operation) ? 2 : 1;
  return operation === 0xb0 && offset !== 0 ? 4 : 1;
}

describe("the newest instruction set", () => {
  it.each([1, 2, 3, 4])("is v%i where the kernel has nothing newer", (set) => {
    expect(newestOf((program) => program.every((each) => age(each) <= set))).toBe(set);
  });

  it("is unknown where no program is taken", () => {
    expect(newestOf(() => false)).toBeNull();
  });

  it.skipIf(!isRoot)("is one that this kernel takes (needs root on Linux)", () => {
    const [major = 0, minor = 0] = release().split(".").map(Number);
    const at = (wantedMajor: number, wantedMinor: number) =>
      major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
    expect(newestInstructionSet()).toBe(at(6, 6) ? 4 : at(5, 1) ? 3 : at(4, 14) ? 2 : 1);
  });
});
