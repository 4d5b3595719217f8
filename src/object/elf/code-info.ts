/**
 * What `.BTF.ext` says of code: the type of each function, the source line of each instruction, and what adapts itself to the
 * kernel.
 */
import type { DecodedExt, SectionExt } from "../btf/ext.ts";
import type { Btf } from "../btf/types.ts";
import { type Instruction, slots } from "../instruction.ts";
import { malformed } from "../malformed.ts";
import { SLOT_SIZE } from "../opcodes.ts";
import type { FunctionSpec, LineSpec } from "../spec.ts";
import type { CodeFunction } from "./code.ts";

/** `code` is ordered by section and place. */
export function attachInfo(code: readonly CodeFunction[], btf: Btf, ext: DecodedExt): void {
  const sections = new Map<string, CodeFunction[]>();
  for (const each of code) {
    const list = sections.get(each.place.section.name) ?? [];
    list.push(each);
    sections.set(each.place.section.name, list);
  }
  for (const [name, info] of ext.sections) {
    const functions = sections.get(name);
    // What describes code that is not there, as `llvm-strip` and linkers leave it, harms nobody.
    if (functions !== undefined) attachSection(functions, info, btf);
  }
}

function attachSection(code: readonly CodeFunction[], info: SectionExt, btf: Btf): void {
  const { section } = info;
  const types = new Map(info.functions.map(({ offset, typeId }) => [offset, typeId]));
  const lines = new Cursor(info.lines);
  const core = new Cursor(info.core);
  for (const { fn, place } of code) {
    const { start, end } = place;
    fn.typeId = types.get(start) ?? 0;
    types.delete(start);
    if (fn.typeId !== 0 && btf.types[fn.typeId - 1]?.kind !== "func") {
      throw malformed(`The func_info of function ${fn.name} is damaged.`, `Type ${fn.typeId} is no function.`);
    }
    const starts = instructionSlots(fn.instructions);
    const slotOf = (offset: number, part: string) => {
      const slot = (offset - start) / SLOT_SIZE;
      if (starts.has(slot)) return slot;
      throw malformed(`The ${part} of section ${section} is damaged.`, `No instruction begins at byte ${offset}.`);
    };
    fn.lines = lines.before(end).map((line) => lineSpec(slotOf(line.offset, "line_info"), line));
    const relocations = core.before(end).map(({ offset, ...rest }) => ({ slot: slotOf(offset, "CO-RE table"), ...rest }));
    if (relocations.length > 0) fn.core = relocations;
    if (fn.core?.some(({ slot }, index) => slot === fn.core?.[index - 1]?.slot))
      throw malformed(`The CO-RE table of section ${section} is damaged.`, "It changes one instruction twice.");
  }
  const [stray] = [...types.keys(), ...lines.rest(), ...core.rest()];
  if (stray !== undefined) {
    throw malformed(
      `The section .BTF.ext is damaged.`,
      `It describes byte ${stray} of section ${section}, where no function begins.`,
    );
  }
}

/** Goes through records that ascend by offset, once. */
class Cursor<T extends { offset: number }> {
  readonly #records: readonly T[];
  #next = 0;

  constructor(records: readonly T[]) {
    this.#records = records;
  }

  before(end: number): T[] {
    const first = this.#next;
    while ((this.#records[this.#next]?.offset ?? Number.POSITIVE_INFINITY) < end) this.#next++;
    return this.#records.slice(first, this.#next);
  }

  rest(): number[] {
    return this.#records.slice(this.#next).map(({ offset }) => offset);
  }
}

function lineSpec(slot: number, { file, text, line, column }: SectionExt["lines"][number]): LineSpec {
  return { slot, file, text: text.trimStart(), line, column };
}

function instructionSlots(instructions: FunctionSpec["instructions"]): Set<number> {
  const starts = new Set<number>();
  let slot = 0;
  for (const instruction of instructions as readonly Instruction[]) {
    starts.add(slot);
    slot += slots(instruction);
  }
  return starts;
}
