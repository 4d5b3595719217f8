/** A program that only returns XDP_PASS: what is left of a measurement when there is nothing to measure. */

import { XDP_PASS } from "../src/kernel/actions.ts";
import type { Instruction } from "../src/object/instruction.ts";
import { ALU, CLASS, OPCODE, SOURCE } from "../src/object/opcodes.ts";
import { loadSpec } from "../src/runtime/load.ts";
import type { LoadedObject } from "../src/runtime/loaded-object.ts";

const instructions: Instruction[] = [
  { opcode: CLASS.ALU64 | SOURCE.K | ALU.MOV, dst: 0, src: 0, offset: 0, imm: XDP_PASS },
  { opcode: OPCODE.EXIT, dst: 0, src: 0, offset: 0, imm: 0 },
];

export function loadNothing(): LoadedObject {
  const functions = [{ name: "nothing", instructions, typeId: 0, lines: [] }];
  return loadSpec({
    license: "Dual MIT/GPL",
    programs: [{ name: "nothing", section: "xdp", type: "xdp", functions }],
    maps: [],
    data: [],
    btf: null,
  });
}
