/** One relocation of code: from an ELF symbol to a reference by name. */
import type { Instruction, Reference } from "../instruction.ts";
import { malformed, unsupported } from "../malformed.ts";
import { CALL, OPCODE, SLOT_SIZE } from "../opcodes.ts";
import type { ExternSpec } from "../spec.ts";
import { isData } from "./data.ts";
import type { ElfFile, ElfRelocation, ElfSection, ElfSymbol } from "./file.ts";
import { SHN } from "./format.ts";
import type { FunctionPlace } from "./functions.ts";
import type { MapsSection } from "./maps.ts";

/** What instructions can refer to. */
export interface LinkTargets {
  file: ElfFile;
  maps: MapsSection;
  /** By the index of their section, then by their start in bytes. */
  functions: ReadonlyMap<number, ReadonlyMap<number, FunctionPlace>>;
  externs: ReadonlyMap<string, ExternSpec>;
}

export function linkTargets(
  file: ElfFile,
  maps: MapsSection,
  places: readonly FunctionPlace[],
  externs: readonly ExternSpec[],
): LinkTargets {
  const functions = new Map<number, Map<number, FunctionPlace>>();
  for (const place of places) {
    const inSection = functions.get(place.section.index) ?? new Map<number, FunctionPlace>();
    functions.set(place.section.index, inSection.set(place.start, place));
  }
  return { file, maps, functions, externs: new Map(externs.map((extern) => [extern.name, extern])) };
}

/** One arm for each kind of section that a symbol may lie in. `at`: the instruction's place in `section`, in bytes. */
export function relocate(
  targets: LinkTargets,
  section: ElfSection,
  instruction: Instruction,
  at: number,
  { symbol }: ElfRelocation,
): Instruction {
  const { file, maps } = targets;
  const target = file.sections[symbol.sectionIndex];
  const wide = instruction.opcode === OPCODE.LD_IMM64;
  const call = instruction.opcode === OPCODE.CALL;
  const name = describeSymbol(symbol, file);
  const where = `The instruction at byte ${at} of section ${section.name}`;
  if (!wide && !call) {
    throw malformed(
      `${where} cannot refer to ${name}.`,
      `Its opcode is 0x${instruction.opcode.toString(16)}; only wide loads and calls can refer to something.`,
    );
  }
  if (symbol.sectionIndex === SHN.UNDEF) return toExtern(targets, instruction, symbol, call);
  if (symbol.sectionIndex === SHN.COMMON)
    throw unsupported(`Variable ${name} is a common symbol.`, "It has no section yet.", "Compile with -fno-common.");
  if (target === undefined)
    throw malformed(`${where} refers to ${name}.`, `The symbol lies in the reserved section ${symbol.sectionIndex}.`);
  if (call) {
    if (instruction.src !== CALL.SUBPROGRAM)
      throw malformed(`${where} calls ${name}.`, "The call is one of a helper, which has a number and no symbol.");
    return callTo(targets, section, instruction, target, symbol.value + (1 + Number(instruction.imm)) * SLOT_SIZE);
  }
  const addend = Number(BigInt.asIntN(32, BigInt(instruction.imm)));
  const place = symbol.value + addend;
  if (target === maps.section) {
    const map = maps.byOffset.get(place);
    if (map === undefined)
      throw malformed(`${where} is damaged.`, `There is no map at byte ${place} of section ${target.name}.`);
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
  if (targets.functions.has(target.index)) {
    return referring(instruction, { kind: "function", name: functionAt(targets, section, target, place) });
  }
  throw malformed(
    `${where} refers to ${name}.`,
    `It lies in section ${target.name}; only maps, global data and functions have addresses.`,
  );
}

/** A call from `section` to byte `place` of section `target`. */
export function callTo(
  targets: LinkTargets,
  section: ElfSection,
  instruction: Instruction,
  target: ElfSection,
  place: number,
): Instruction {
  return referring(instruction, { kind: "function", name: functionAt(targets, section, target, place) });
}

function functionAt(targets: LinkTargets, section: ElfSection, target: ElfSection, place: number): string {
  const found = targets.functions.get(target.index)?.get(place);
  if (found !== undefined) return found.name;
  throw malformed(
    `An instruction of section ${section.name} is damaged.`,
    `It refers to byte ${place} of section ${target.name}, where no subprogram begins.`,
  );
}

function toExtern({ externs }: LinkTargets, instruction: Instruction, symbol: ElfSymbol, call: boolean): Instruction {
  const extern = externs.get(symbol.name);
  if (extern !== undefined && (extern.kind === "function" || !call))
    return referring(instruction, { kind: "extern", name: extern.name });
  throw unsupported(
    `The object needs ${call ? "the function" : "the symbol"} ${symbol.name}, which it does not define.`,
    "Nothing in it says that the running kernel has it (__ksym or __kconfig, and BTF), so a definition is missing.",
    "Link the objects (bpftool gen object), or declare it with __ksym or __kconfig and compile with -g.",
  );
}

/** The unlinked form that `encoding.ts` defines. */
function referring({ opcode, dst, offset }: Instruction, reference: Reference): Instruction {
  return opcode === OPCODE.LD_IMM64
    ? { opcode, dst, src: 0, offset, imm: 0n, reference }
    : { opcode, dst, src: CALL.SUBPROGRAM, offset, imm: -1, reference };
}

export function describeSymbol(symbol: ElfSymbol, file: ElfFile): string {
  return symbol.name || file.sections[symbol.sectionIndex]?.name || "an unnamed symbol";
}
