/** Sections with instructions, cut into functions, with every relocation turned into a reference by name. */
import type { DecodedExt, SectionExt } from "../btf/ext.ts";
import type { Btf } from "../btf/types.ts";
import { decode } from "../encoding.ts";
import { type Instruction, type Reference, slots } from "../instruction.ts";
import { malformed, unsupported } from "../malformed.ts";
import { CALL, OPCODE, SLOT_SIZE } from "../opcodes.ts";
import type { FunctionSpec, LineSpec } from "../spec.ts";
import { isData } from "./data.ts";
import type { ElfFile, ElfRelocation, ElfSection, ElfSymbol } from "./file.ts";
import { SHF, SHN, SHT, STB, STT, TEXT_SECTION } from "./format.ts";
import type { MapsSection } from "./maps.ts";

export interface CodeSection {
  name: string;
  functions: FunctionSpec[];
}

interface Boundary {
  symbol: ElfSymbol;
  start: number;
  end: number;
}

/** All sections with code, in the file's order. Names of functions are unique in the object. */
export function readCode(file: ElfFile, maps: MapsSection, btf: Btf | null, ext: DecodedExt): CodeSection[] {
  const sections = file.sections.filter(
    (each) => each.type === SHT.PROGBITS && (each.flags & SHF.EXECINSTR) !== 0 && each.size > 0,
  );
  const symbols = new Map<number, ElfSymbol[]>();
  const names = new Set<string>();
  for (const symbol of file.symbols) {
    if (symbol.type !== STT.FUNC || symbol.sectionIndex === SHN.UNDEF) continue;
    if (names.has(symbol.name))
      throw malformed(`Function ${symbol.name} is there twice.`, "Two symbols have this name.", "Give them different names.");
    names.add(symbol.name);
    const list = symbols.get(symbol.sectionIndex) ?? [];
    list.push(symbol);
    symbols.set(symbol.sectionIndex, list);
  }
  const boundaries = new Map(sections.map((each) => [each.index, cut(each, symbols.get(each.index) ?? [])]));
  const text = sections.find((each) => each.name === TEXT_SECTION);
  const subprograms = new Map(
    (text ? (boundaries.get(text.index) ?? []) : []).map(({ start, symbol }) => [start, symbol.name]),
  );

  const seen = new Set<string>();
  return sections.map((section) => {
    if (seen.has(section.name))
      throw malformed(`Section ${section.name} is there twice.`, "Programs of one section name stand in one section.");
    seen.add(section.name);
    const linker: Linker = {
      file,
      maps,
      section,
      text,
      subprograms,
      relocations: new Map(file.relocations.get(section.index)),
    };
    const functions = (boundaries.get(section.index) ?? []).map((boundary) => readFunction(linker, boundary));
    for (const { offset, symbol } of linker.relocations.values()) {
      throw malformed(
        `The relocation at byte ${offset} of section ${section.name} is damaged.`,
        `No instruction for ${describe(symbol, file)} is there.`,
      );
    }
    attachInfo(section, functions, boundaries.get(section.index) ?? [], ext.sections.get(section.name), btf);
    return { name: section.name, functions };
  });
}

/** Where each function of the section begins and ends, in bytes. They cover the section without a gap. */
function cut(section: ElfSection, symbols: readonly ElfSymbol[]): Boundary[] {
  const sorted = [...symbols].sort((a, b) => a.value - b.value);
  const [first] = sorted;
  if (first === undefined || first.value !== 0) {
    throw malformed(
      `Section ${section.name} is damaged.`,
      "No function symbol stands at its start.",
      "Write `.type NAME, @function` in assembly code.",
    );
  }
  return sorted.map((symbol, index) => {
    const start = symbol.value;
    const end = sorted[index + 1]?.value ?? section.size;
    if (start % SLOT_SIZE !== 0 || start === end)
      throw malformed(
        `Function ${symbol.name} is damaged.`,
        `It begins at byte ${start} of section ${section.name} and has no code.`,
      );
    if (symbol.binding === STB.LOCAL && section.name !== TEXT_SECTION) {
      throw unsupported(
        `Function ${symbol.name} in section ${section.name} is static.`,
        "A program must be visible from outside; a subprogram must be in .text.",
        "Remove `static`, or remove SEC().",
      );
    }
    return { symbol, start, end };
  });
}

interface Linker {
  file: ElfFile;
  maps: MapsSection;
  section: ElfSection;
  text: ElfSection | undefined;
  /** Names of the functions in `.text`, by their start in bytes. */
  subprograms: Map<number, string>;
  /** Those that no instruction has used yet. */
  relocations: Map<number, ElfRelocation>;
}

function readFunction(linker: Linker, { symbol, start, end }: Boundary): FunctionSpec {
  let offset = start;
  const instructions = decode(linker.section.bytes.subarray(start, end)).map((instruction) => {
    const at = offset;
    offset += slots(instruction) * SLOT_SIZE;
    const relocation = linker.relocations.get(at);
    linker.relocations.delete(at);
    if (relocation) return relocate(linker, instruction, at, relocation);
    if (instruction.opcode === OPCODE.CALL && instruction.src === CALL.SUBPROGRAM) {
      return callTo(linker, instruction, linker.section, at + (1 + Number(instruction.imm)) * SLOT_SIZE);
    }
    return instruction;
  });
  return { name: symbol.name, instructions, typeId: 0, lines: [] };
}

/** One arm for each kind of section that a symbol may lie in. */
function relocate(linker: Linker, instruction: Instruction, at: number, { symbol }: ElfRelocation): Instruction {
  const { file, maps, section, text } = linker;
  const target = file.sections[symbol.sectionIndex];
  const wide = instruction.opcode === OPCODE.LD_IMM64;
  const call = instruction.opcode === OPCODE.CALL;
  const name = describe(symbol, file);
  const where = `The instruction at byte ${at} of section ${section.name}`;
  if (!wide && !call) {
    throw malformed(
      `${where} cannot refer to ${name}.`,
      `Its opcode is 0x${instruction.opcode.toString(16)}; only wide loads and calls can refer to something.`,
    );
  }
  if (symbol.sectionIndex === SHN.UNDEF) throw undefinedSymbol(symbol, call);
  if (symbol.sectionIndex === SHN.COMMON)
    throw unsupported(`Variable ${name} is a common symbol.`, "It has no section yet.", "Compile with -fno-common.");
  if (target === undefined)
    throw malformed(`${where} refers to ${name}.`, `The symbol lies in the reserved section ${symbol.sectionIndex}.`);
  if (call) {
    if (target !== text || instruction.src !== CALL.SUBPROGRAM) {
      throw malformed(
        `${where} calls ${name}.`,
        `It lies in section ${target.name}; only functions in .text can be called.`,
        "Remove SEC() from the called function.",
      );
    }
    return callTo(linker, instruction, target, symbol.value + (1 + Number(instruction.imm)) * SLOT_SIZE);
  }
  const addend = Number(BigInt.asIntN(32, BigInt(instruction.imm)));
  const place = symbol.value + addend;
  if (target === maps.section) {
    const map = maps.byOffset.get(place);
    if (map === undefined) throw malformed(`${where} is damaged.`, `There is no map at byte ${place} of section .maps.`);
    return referring(instruction, { kind: "map", name: map });
  }
  if (isData(target)) {
    if (place < 0 || place > target.size)
      throw malformed(
        `${where} is damaged.`,
        `It refers to byte ${place} of section ${target.name}, which has ${target.size}.`,
      );
    return referring(instruction, { kind: "data", section: target.name, offset: place });
  }
  if (target === text) return referring(instruction, { kind: "function", name: subprogramAt(linker, target, place) });
  throw malformed(
    `${where} refers to ${name}.`,
    `It lies in section ${target.name}; only maps, global data and functions in .text have addresses.`,
  );
}

function callTo(linker: Linker, instruction: Instruction, target: ElfSection, place: number): Instruction {
  return referring(instruction, { kind: "function", name: subprogramAt(linker, target, place) });
}

function subprogramAt({ section, text, subprograms }: Linker, target: ElfSection, place: number): string {
  const name = target === text ? subprograms.get(place) : undefined;
  if (name === undefined) {
    throw malformed(
      `An instruction of section ${section.name} is damaged.`,
      `It refers to byte ${place} of section ${target.name}, where no subprogram begins.`,
    );
  }
  return name;
}

/** The unlinked form that `encoding.ts` defines. */
function referring({ opcode, dst, offset }: Instruction, reference: Reference): Instruction {
  return opcode === OPCODE.LD_IMM64
    ? { opcode, dst, src: 0, offset, imm: 0n, reference }
    : { opcode, dst, src: CALL.SUBPROGRAM, offset, imm: -1, reference };
}

function undefinedSymbol({ name }: ElfSymbol, call: boolean): Error {
  const what = `The object needs ${call ? "the function" : "the symbol"} ${name}, which it does not define.`;
  if (/^(CONFIG_|LINUX_)/.test(name)) {
    return unsupported(
      what,
      "It asks for a setting of the running kernel (__kconfig), which Wirescript does not fill in yet.",
      "Use a constant, or load the object with bpftool.",
    );
  }
  return unsupported(
    what,
    `It asks for a ${call ? "function (kfunc)" : "symbol"} of the running kernel (__ksym), or a definition is missing; Wirescript resolves neither yet.`,
    "Define it in the object, or load the object with bpftool.",
  );
}

function describe(symbol: ElfSymbol, file: ElfFile): string {
  return symbol.name || file.sections[symbol.sectionIndex]?.name || "an unnamed symbol";
}

/** Types and lines from `.BTF.ext`. */
function attachInfo(
  section: ElfSection,
  functions: readonly FunctionSpec[],
  boundaries: readonly Boundary[],
  info: SectionExt | undefined,
  btf: Btf | null,
): void {
  if (info === undefined || btf === null) return;
  const types = new Map(info.functions.map(({ offset, typeId }) => [offset, typeId]));
  let next = 0;
  boundaries.forEach(({ start, end }, index) => {
    const fn = functions[index];
    if (fn === undefined) return;
    fn.typeId = types.get(start) ?? 0;
    types.delete(start);
    if (fn.typeId !== 0 && btf.types[fn.typeId - 1]?.kind !== "func") {
      throw malformed(`The func_info of function ${fn.name} is damaged.`, `Type ${fn.typeId} is no function.`);
    }
    const starts = instructionSlots(fn.instructions);
    for (; next < info.lines.length; next++) {
      const line = info.lines[next];
      if (line === undefined || line.offset >= end) break;
      const slot = (line.offset - start) / SLOT_SIZE;
      if (!starts.has(slot))
        throw malformed(
          `The line_info of section ${section.name} is damaged.`,
          `No instruction begins at byte ${line.offset}.`,
        );
      fn.lines.push(lineSpec(slot, line));
    }
  });
  const [stray] = [...types.keys(), ...info.lines.slice(next).map((line) => line.offset)];
  if (stray !== undefined) {
    throw malformed(
      `The section .BTF.ext is damaged.`,
      `It describes byte ${stray} of section ${section.name}, where no function begins.`,
    );
  }
}

function lineSpec(slot: number, { file, text, line, column }: SectionExt["lines"][number]): LineSpec {
  return { slot, file, text: text.trimStart(), line, column };
}

function instructionSlots(instructions: readonly Instruction[]): Set<number> {
  const starts = new Set<number>();
  let slot = 0;
  for (const instruction of instructions) {
    starts.add(slot);
    slot += slots(instruction);
  }
  return starts;
}
