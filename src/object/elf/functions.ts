/** Sections with code, and where each function in them begins and ends. */
import { malformed } from "../malformed.ts";
import { SLOT_SIZE } from "../opcodes.ts";
import type { ElfFile, ElfSection, ElfSymbol } from "./file.ts";
import { SHF, SHN, SHT, STB, STT, STV, TEXT_SECTION } from "./format.ts";

export interface FunctionPlace {
  /** Unique in the object: of static functions with one name, all but the first get a number. */
  name: string;
  section: ElfSection;
  /** Bytes from the section's start. */
  start: number;
  end: number;
  /** Whether it is static: other files, and loaders, do not see it. */
  local: boolean;
  /** Whether the verifier is to look at it once for each call, though it is global: `__hidden` of bpf_helpers.h. */
  hidden: boolean;
}

/** The sections with code, `.text` first, and then in the file's order. */
export function codeSections(file: ElfFile): ElfSection[] {
  const sections = file.sections.filter(
    (each) => each.type === SHT.PROGBITS && (each.flags & SHF.EXECINSTR) !== 0 && each.size > 0,
  );
  const names = new Set<string>();
  for (const { name } of sections) {
    if (names.has(name))
      throw malformed(`Section ${name} is there twice.`, "Programs of one section name stand in one section.");
    names.add(name);
  }
  const rank = (section: ElfSection) => (section.name === TEXT_SECTION ? 0 : 1);
  return sections.sort((a, b) => rank(a) - rank(b));
}

/** All functions, by section and then by place. Together they cover their sections without a gap. */
export function findFunctions(file: ElfFile, sections: readonly ElfSection[]): FunctionPlace[] {
  const symbols = new Map<number, ElfSymbol[]>();
  for (const symbol of file.symbols) {
    if (symbol.sectionIndex === SHN.UNDEF || !isFunction(symbol)) continue;
    const list = symbols.get(symbol.sectionIndex) ?? [];
    list.push(symbol);
    symbols.set(symbol.sectionIndex, list);
  }
  const places = sections.flatMap((section) => cut(section, symbols.get(section.index) ?? []));
  makeNamesUnique(places);
  return places;
}

/** Compilers from before clang 9 gave functions no type. */
function isFunction({ type, binding, name }: ElfSymbol): boolean {
  return type === STT.FUNC || (type === STT.NOTYPE && binding === STB.GLOBAL && name !== "");
}

function cut(section: ElfSection, symbols: readonly ElfSymbol[]): FunctionPlace[] {
  const typed = symbols.filter(({ type }) => type === STT.FUNC);
  // Of several names for one place the one that others see counts.
  const sorted = [...(typed.length > 0 ? typed : symbols)].sort(
    (a, b) => a.value - b.value || Number(a.binding === STB.LOCAL) - Number(b.binding === STB.LOCAL),
  );
  const starts = sorted.filter((symbol, index) => symbol.value !== sorted[index - 1]?.value);
  const [first] = starts;
  if (first === undefined || first.value !== 0) {
    throw malformed(
      `Section ${section.name} is damaged.`,
      "No function symbol stands at its start.",
      "Write `.type NAME, @function` in assembly code.",
    );
  }
  return starts.map((symbol, index) => {
    const start = symbol.value;
    const end = starts[index + 1]?.value ?? section.size;
    if (start % SLOT_SIZE !== 0 || start === end)
      throw malformed(
        `Function ${symbol.name} is damaged.`,
        `It begins at byte ${start} of section ${section.name} and has no code.`,
      );
    const hidden = symbol.visibility === STV.HIDDEN || symbol.visibility === STV.INTERNAL;
    return { name: symbol.name, section, start, end, local: symbol.binding === STB.LOCAL, hidden };
  });
}

function makeNamesUnique(places: readonly FunctionPlace[]): void {
  const names = new Set<string>();
  for (const place of places) {
    if (place.local) continue;
    if (names.has(place.name))
      throw malformed(`Function ${place.name} is there twice.`, "Two symbols have this name.", "Give them different names.");
    names.add(place.name);
  }
  const next = new Map<string, number>();
  for (const place of places) {
    if (!place.local) continue;
    const { name } = place;
    // Linkers keep the names of static functions of several files.
    for (let number = next.get(name) ?? 1; names.has(place.name); number++) {
      place.name = `${name}.${number}`;
      next.set(name, number + 1);
    }
    names.add(place.name);
  }
}
