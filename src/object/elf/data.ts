/** Global data: the sections `.rodata`, `.data`, `.bss` and their kin, with the variables that symbols and BTF name in them. */
import { typeAt } from "../btf/layout.ts";
import type { Btf } from "../btf/types.ts";
import { malformed, unsupported } from "../malformed.ts";
import type { DataSpec } from "../spec.ts";
import type { ElfFile, ElfSection, ElfSymbol } from "./file.ts";
import { dataSectionKind, SHF, SHT, STT } from "./format.ts";

/** Zeroed data takes no room in the file, so its size must be limited by something else. */
const ZEROED_DATA_LIMIT = 64 * 1024 * 1024;

export function readDataSections(file: ElfFile, btf: Btf | null): DataSpec[] {
  const typeIds = variableTypes(btf);
  const sections = file.sections.filter((section) => isData(section));
  const zeroed = sections.reduce((sum, section) => sum + section.size - section.bytes.length, 0);
  if (zeroed > ZEROED_DATA_LIMIT)
    throw malformed("The sections of zeroed data are too large.", `They take ${zeroed} bytes; Wirescript allows 64 MiB.`);
  const objects = objectsBySection(file);
  const names = new Set<string>();
  return sections.map((section) => {
    if (names.has(section.name))
      throw malformed(`Section ${section.name} is there twice.`, "Each section of global data becomes a map of its name.");
    names.add(section.name);
    const [relocation] = file.relocations.get(section.index)?.values() ?? [];
    if (relocation) {
      throw unsupported(
        `Section ${section.name} holds the address of ${relocation.symbol.name || "a section"}.`,
        "Addresses in global data (tables of functions or strings) have no meaning in the kernel.",
        "Initialise it with numbers only.",
      );
    }
    const ids = typeIds.get(section.name) ?? new Map<string, number>();
    const variables = (objects.get(section.index) ?? [])
      .map(({ name, value, size }) => ({ name, offset: value, size, typeId: ids.get(name) ?? ids.get(sourceName(name)) ?? 0 }))
      .sort((a, b) => a.offset - b.offset);
    const bytes = section.type === SHT.NOBITS ? new Uint8Array(section.size) : new Uint8Array(section.bytes);
    return { name: section.name, bytes, readonly: dataSectionKind(section.name) === "rodata", variables };
  });
}

function objectsBySection(file: ElfFile): Map<number, ElfSymbol[]> {
  const result = new Map<number, ElfSymbol[]>();
  for (const symbol of file.symbols) {
    if (symbol.type !== STT.OBJECT) continue;
    const list = result.get(symbol.sectionIndex) ?? [];
    list.push(symbol);
    result.set(symbol.sectionIndex, list);
  }
  return result;
}

/** Whether the section becomes a map. */
export function isData(section: ElfSection): boolean {
  if (dataSectionKind(section.name) === undefined || section.size === 0) return false;
  return (section.flags & SHF.ALLOC) !== 0 && (section.type === SHT.PROGBITS || section.type === SHT.NOBITS);
}

/** clang calls the static variable `v` of function `f` "f.v" in ELF and "v" in BTF. */
function sourceName(symbol: string): string {
  return symbol.slice(symbol.lastIndexOf(".") + 1);
}

/** Type ids of variables by section and name. */
function variableTypes(btf: Btf | null): Map<string, Map<string, number>> {
  const result = new Map<string, Map<string, number>>();
  for (const type of btf?.types ?? []) {
    if (btf === null || type.kind !== "datasec") continue;
    const names = new Map<string, number>();
    const ambiguous = new Set<string>();
    for (const { type: id } of type.variables) {
      const variable = typeAt(btf, id);
      if (variable?.kind !== "var") continue;
      if (names.has(variable.name)) ambiguous.add(variable.name);
      names.set(variable.name, variable.type);
    }
    // Two functions may each have a static variable of one name; a wrong type would be worse than none.
    for (const name of ambiguous) names.delete(name);
    result.set(type.name, names);
  }
  return result;
}
