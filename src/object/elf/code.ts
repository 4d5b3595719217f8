/** Sections with code as functions, with every relocation turned into a reference by name. */
import type { DecodedExt } from "../btf/ext.ts";
import type { Btf } from "../btf/types.ts";
import { decode } from "../encoding.ts";
import { slots } from "../instruction.ts";
import { malformed } from "../malformed.ts";
import { CALL, OPCODE, SLOT_SIZE } from "../opcodes.ts";
import type { FunctionSpec } from "../spec.ts";
import { attachInfo } from "./code-info.ts";
import type { ElfFile, ElfRelocation } from "./file.ts";
import type { FunctionPlace } from "./functions.ts";
import { callTo, describeSymbol, type LinkTargets, relocate } from "./link.ts";

export interface CodeFunction {
  place: FunctionPlace;
  fn: FunctionSpec;
}

/** The functions at `places`, in that order. */
export function readCode(
  file: ElfFile,
  places: readonly FunctionPlace[],
  targets: LinkTargets,
  btf: Btf | null,
  ext: DecodedExt,
): CodeFunction[] {
  const unused = new Map<number, Map<number, ElfRelocation>>();
  const code = places.map((place) => {
    const { index } = place.section;
    const relocations = unused.get(index) ?? new Map(file.relocations.get(index));
    unused.set(index, relocations);
    return { place, fn: readFunction(place, relocations, targets) };
  });
  for (const [index, relocations] of unused) {
    for (const { offset, symbol } of relocations.values()) {
      throw malformed(
        `The relocation at byte ${offset} of section ${file.sections[index]?.name} is damaged.`,
        `No instruction for ${describeSymbol(symbol, file)} is there.`,
      );
    }
  }
  if (btf !== null) attachInfo(code, btf, ext);
  return code;
}

/** `relocations`: those of the section that no instruction has used yet. */
function readFunction(
  { name, section, start, end }: FunctionPlace,
  relocations: Map<number, ElfRelocation>,
  targets: LinkTargets,
): FunctionSpec {
  let offset = start;
  const instructions = decode(section.bytes.subarray(start, end)).map((instruction) => {
    const at = offset;
    offset += slots(instruction) * SLOT_SIZE;
    const relocation = relocations.get(at);
    relocations.delete(at);
    if (relocation) return relocate(targets, section, instruction, at, relocation);
    if (instruction.opcode === OPCODE.CALL && instruction.src === CALL.SUBPROGRAM) {
      return callTo(targets, section, instruction, section, at + (1 + Number(instruction.imm)) * SLOT_SIZE);
    }
    return instruction;
  });
  return { name, instructions, typeId: 0, lines: [] };
}
