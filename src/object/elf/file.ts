/**
 * An ELF64 file of eBPF code taken apart into sections, symbols and relocations, without knowing what they mean. All input is suspect: sizes
 * and offsets are checked against the file, and sections may not overlap, so that work and memory stay in proportion to its size.
 */
import { ByteReader } from "../byte-reader.ts";
import { malformed, unsupported } from "../malformed.ts";
import { StringTable } from "../string-table.ts";
import {
  ELF_HEADER_SIZE,
  ELFCLASS64,
  ELFDATA2LSB,
  EM_BPF,
  EM_NONE,
  ET_REL,
  RELOCATION_SIZE,
  SECTION_HEADER_SIZE,
  SHN,
  SHT,
  SYMBOL_SIZE,
} from "./format.ts";

export interface ElfSection {
  index: number;
  name: string;
  type: number;
  flags: number;
  /** In memory; the file holds as many bytes, except for NOBITS. */
  size: number;
  /** A view into the file; empty for NOBITS. */
  bytes: Uint8Array;
  link: number;
  info: number;
}

export interface ElfSymbol {
  name: string;
  type: number;
  binding: number;
  /** One of `STV`. */
  visibility: number;
  /** Index of the section, or one of the reserved numbers `SHN`. */
  sectionIndex: number;
  value: number;
  size: number;
}

export interface ElfRelocation {
  offset: number;
  type: number;
  symbol: ElfSymbol;
}

export interface ElfFile {
  sections: ElfSection[];
  symbols: ElfSymbol[];
  /** By the index of the section that they change, then by offset. */
  relocations: Map<number, Map<number, ElfRelocation>>;
}

const NOT_EBPF = "Give an eBPF object, as `wirescript build -o` or `clang --target=bpf -c` makes them.";

/** Throws WirescriptError (BAD_FILE) naming what is wrong. */
export function parseElf(bytes: Uint8Array): ElfFile {
  const sections = readSections(bytes);
  const symbols = readSymbols(sections);
  return { sections, symbols, relocations: readRelocations(sections, symbols) };
}

function readSections(bytes: Uint8Array): ElfSection[] {
  if (bytes.length < 4 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
    throw malformed("This is not an ELF file.", "It does not start with \\x7fELF.", NOT_EBPF);
  }
  const header = new ByteReader(bytes, "The ELF header");
  header.slice(0, ELF_HEADER_SIZE);
  if (bytes[4] !== ELFCLASS64) throw malformed("This is not an eBPF object.", "It is no 64-bit ELF file.", NOT_EBPF);
  if (bytes[5] !== ELFDATA2LSB) {
    throw unsupported(
      "The object is big-endian.",
      "Wirescript runs on little-endian hosts only.",
      "Build it with --target=bpfel.",
    );
  }
  header.skip(16);
  const type = header.u16();
  const machine = header.u16();
  // Objects of clang before 3.9 say EM_NONE; libbpf takes them too.
  if (type !== ET_REL || (machine !== EM_BPF && machine !== EM_NONE)) {
    throw malformed(
      "This is not an eBPF object.",
      `Its ELF type is ${type} and its machine ${machine}; an eBPF object has 1 and 247.`,
      NOT_EBPF,
    );
  }
  header.position = 40;
  const tableOffset = header.size64();
  header.position = 58;
  const entrySize = header.u16();
  const count = header.u16();
  const namesIndex = header.u16();
  if (count === 0 || entrySize !== SECTION_HEADER_SIZE) {
    throw malformed("The ELF header is damaged.", `It claims ${count} section headers of ${entrySize} bytes.`);
  }
  const file = new ByteReader(bytes, "The file");
  const table = new ByteReader(file.slice(tableOffset, count * SECTION_HEADER_SIZE), "The section header table");
  const nameOffsets: number[] = [];
  const sections: ElfSection[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    nameOffsets.push(table.u32());
    const sectionType = table.u32();
    const flags = table.size64();
    table.skip(8);
    const offset = table.size64();
    const size = table.size64();
    const link = table.u32();
    const info = table.u32();
    table.skip(16);
    const stored = sectionType !== SHT.NULL && sectionType !== SHT.NOBITS;
    sections.push({
      index,
      name: "",
      type: sectionType,
      flags,
      size,
      bytes: file.slice(stored ? offset : 0, stored ? size : 0),
      link,
      info,
    });
    if (stored) total += size;
  }
  if (total > bytes.length) throw malformed("The section header table is damaged.", "Its sections overlap.");

  const names = stringTable(sections, namesIndex, "section names");
  for (const section of sections) section.name = names.at(nameOffsets[section.index] ?? 0);
  return sections;
}

function stringTable(sections: readonly ElfSection[], index: number, what: string): StringTable {
  const section = sections[index];
  if (section === undefined || section.type !== SHT.STRTAB) {
    throw malformed(`The table of ${what} is missing.`, `Section ${index} should be a string table.`);
  }
  return new StringTable(section.bytes, `The table of ${what}`);
}

function readSymbols(sections: readonly ElfSection[]): ElfSymbol[] {
  const tables = sections.filter((section) => section.type === SHT.SYMTAB);
  const [table] = tables;
  if (table === undefined)
    throw malformed(
      "The object has no symbol table.",
      "It was stripped of the names of its programs.",
      "Use `llvm-strip -g`, which keeps symbols.",
    );
  if (tables.length > 1) throw malformed("The object has more than one symbol table.", "ELF allows one.");
  const names = stringTable(sections, table.link, "symbol names");
  const reader = new ByteReader(table.bytes, "The symbol table");
  const symbols: ElfSymbol[] = [];
  while (reader.left >= SYMBOL_SIZE) {
    const name = names.at(reader.u32());
    const info = reader.u8();
    const visibility = reader.u8() & 3;
    const sectionIndex = reader.u16();
    const [value, size] = [reader.size64(), reader.size64()];
    const symbol = { name, type: info & 0x0f, binding: info >> 4, visibility, sectionIndex, value, size };
    const section = sections[sectionIndex];
    if (sectionIndex < SHN.LORESERVE) {
      if (section === undefined)
        throw malformed(`Symbol ${name} is damaged.`, `It lies in section ${sectionIndex}, which does not exist.`);
      if (sectionIndex !== SHN.UNDEF && (symbol.value > section.size || symbol.size > section.size - symbol.value)) {
        throw malformed(
          `Symbol ${name} is damaged.`,
          `It lies outside of section ${section.name}, which has ${section.size} bytes.`,
        );
      }
    }
    symbols.push(symbol);
  }
  if (reader.left > 0)
    throw malformed("The symbol table is cut short.", `${reader.left} bytes are left after the last symbol.`);
  return symbols;
}

function readRelocations(
  sections: readonly ElfSection[],
  symbols: readonly ElfSymbol[],
): Map<number, Map<number, ElfRelocation>> {
  const result = new Map<number, Map<number, ElfRelocation>>();
  for (const section of sections) {
    if (section.type === SHT.RELA)
      throw unsupported(`Section ${section.name} has relocations with addends.`, "eBPF objects use SHT_REL.", NOT_EBPF);
    if (section.type !== SHT.REL) continue;
    const target = sections[section.info];
    if (target === undefined)
      throw malformed(`Section ${section.name} is damaged.`, `It relocates section ${section.info}, which does not exist.`);
    const relocations = result.get(target.index) ?? new Map<number, ElfRelocation>();
    result.set(target.index, relocations);
    const reader = new ByteReader(section.bytes, `Section ${section.name}`);
    while (reader.left >= RELOCATION_SIZE) {
      const offset = reader.size64();
      const type = reader.u32();
      const symbolIndex = reader.u32();
      const symbol = symbols[symbolIndex];
      if (symbol === undefined)
        throw malformed(`Section ${section.name} is damaged.`, `It names symbol ${symbolIndex}, which does not exist.`);
      if (offset >= target.size)
        throw malformed(
          `Section ${section.name} is damaged.`,
          `It relocates byte ${offset} of ${target.name}, which has ${target.size}.`,
        );
      if (relocations.has(offset))
        throw malformed(`Section ${section.name} is damaged.`, `It relocates byte ${offset} of ${target.name} twice.`);
      relocations.set(offset, { offset, type, symbol });
    }
    if (reader.left > 0)
      throw malformed(`Section ${section.name} is cut short.`, `${reader.left} bytes are left after the last relocation.`);
  }
  return result;
}
