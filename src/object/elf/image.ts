/** Puts an ELF64 little-endian relocatable file for EM_BPF together from sections, symbols and relocations. It knows nothing of programs. */
import { StringTableBuilder } from "../string-table.ts";
import {
  ELF_HEADER_SIZE,
  ELFCLASS64,
  ELFDATA2LSB,
  EM_BPF,
  ET_REL,
  RELOCATION_SIZE,
  SECTION_HEADER_SIZE,
  SHF,
  SHN,
  SHT,
  STB,
  STT,
  SYMBOL_SIZE,
} from "./format.ts";

export interface ImageSection {
  name: string;
  type: number;
  flags: number;
  align: number;
  bytes: Uint8Array;
  relocations: ImageRelocation[];
}

export interface ImageSymbol {
  name: string;
  type: number;
  binding: number;
  section: ImageSection;
  value: number;
  size: number;
}

export interface ImageRelocation {
  /** Bytes into the section. */
  offset: number;
  type: number;
  symbol: ImageSymbol;
}

interface Header {
  name: string;
  type: number;
  flags: number;
  align: number;
  size: number;
  bytes: Uint8Array;
  link: number;
  info: number;
  entrySize: number;
}

/** Returns the file. Section symbols are made for every section that a relocation's symbol of type STT_SECTION names. */
export function buildImage(sections: readonly ImageSection[], symbols: readonly ImageSymbol[]): Uint8Array {
  const locals = symbols.filter((symbol) => symbol.binding === STB.LOCAL);
  const ordered = [...locals, ...symbols.filter((symbol) => symbol.binding !== STB.LOCAL)];
  const symbolIndex = new Map(ordered.map((symbol, index) => [symbol, index + 1]));

  // Every section is followed by its relocations, then come the symbols and the names.
  const sectionIndex = new Map<ImageSection, number>();
  let count = 1;
  for (const section of sections) {
    sectionIndex.set(section, count);
    count += section.relocations.length > 0 ? 2 : 1;
  }
  const symbolTable = count;
  const stringTable = count + 1;

  const names = new StringTableBuilder();
  const headers: Header[] = [];
  for (const section of sections) {
    headers.push({ ...section, size: section.bytes.length, link: 0, info: 0, entrySize: 0 });
    if (section.relocations.length === 0) continue;
    const bytes = new Uint8Array(section.relocations.length * RELOCATION_SIZE);
    const view = new DataView(bytes.buffer);
    section.relocations.forEach((relocation, index) => {
      view.setBigUint64(index * RELOCATION_SIZE, BigInt(relocation.offset), true);
      view.setUint32(index * RELOCATION_SIZE + 8, relocation.type, true);
      view.setUint32(index * RELOCATION_SIZE + 12, indexOf(symbolIndex, relocation.symbol), true);
    });
    const info = indexOf(sectionIndex, section);
    headers.push({
      ...{ name: `.rel${section.name}`, type: SHT.REL, flags: 0, align: 8, size: bytes.length, bytes },
      ...{ link: symbolTable, info, entrySize: RELOCATION_SIZE },
    });
  }
  const symbolBytes = encodeSymbols(ordered, sectionIndex, names);
  headers.push({
    ...{ name: ".symtab", type: SHT.SYMTAB, flags: 0, align: 8, size: symbolBytes.length, bytes: symbolBytes },
    ...{ link: stringTable, info: locals.length + 1, entrySize: SYMBOL_SIZE },
  });
  const nameOffsets = headers.map((header) => names.add(header.name));
  nameOffsets.push(names.add(".strtab"));
  const stringBytes = names.bytes();
  headers.push({
    ...{ name: ".strtab", type: SHT.STRTAB, flags: 0, align: 1, size: stringBytes.length, bytes: stringBytes },
    ...{ link: 0, info: 0, entrySize: 0 },
  });
  return layOut(headers, nameOffsets);
}

function encodeSymbols(
  symbols: readonly ImageSymbol[],
  sectionIndex: ReadonlyMap<ImageSection, number>,
  names: StringTableBuilder,
): Uint8Array {
  const bytes = new Uint8Array((symbols.length + 1) * SYMBOL_SIZE);
  const view = new DataView(bytes.buffer);
  symbols.forEach((symbol, index) => {
    const at = (index + 1) * SYMBOL_SIZE;
    view.setUint32(at, symbol.type === STT.SECTION ? 0 : names.add(symbol.name), true);
    view.setUint8(at + 4, (symbol.binding << 4) | symbol.type);
    view.setUint16(at + 6, indexOf(sectionIndex, symbol.section), true);
    view.setBigUint64(at + 8, BigInt(symbol.value), true);
    view.setBigUint64(at + 16, BigInt(symbol.size), true);
  });
  return bytes;
}

function layOut(headers: readonly Header[], nameOffsets: readonly number[]): Uint8Array {
  if (headers.length + 1 >= SHN.LORESERVE)
    throw new RangeError(`${headers.length} sections are more than an ELF file can number`);
  let end = ELF_HEADER_SIZE;
  const offsets = headers.map((header) => {
    const offset = alignUp(end, header.align);
    end = header.type === SHT.NOBITS ? offset : offset + header.size;
    return offset;
  });
  const table = alignUp(end, 8);
  const file = new Uint8Array(table + (headers.length + 1) * SECTION_HEADER_SIZE);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, ELFCLASS64, ELFDATA2LSB, 1]);
  view.setUint16(16, ET_REL, true);
  view.setUint16(18, EM_BPF, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(table), true);
  view.setUint16(52, ELF_HEADER_SIZE, true);
  view.setUint16(58, SECTION_HEADER_SIZE, true);
  view.setUint16(60, headers.length + 1, true);
  view.setUint16(62, headers.length, true);
  headers.forEach((header, index) => {
    const offset = offsets[index] ?? 0;
    if (header.type !== SHT.NOBITS) file.set(header.bytes, offset);
    const at = table + (index + 1) * SECTION_HEADER_SIZE;
    view.setUint32(at, nameOffsets[index] ?? 0, true);
    view.setUint32(at + 4, header.type, true);
    view.setBigUint64(at + 8, BigInt(header.flags), true);
    view.setBigUint64(at + 24, BigInt(offset), true);
    view.setBigUint64(at + 32, BigInt(header.size), true);
    view.setUint32(at + 40, header.link, true);
    view.setUint32(at + 44, header.info, true);
    view.setBigUint64(at + 48, BigInt(header.align), true);
    view.setBigUint64(at + 56, BigInt(header.entrySize), true);
  });
  return file;
}

function alignUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}

function indexOf<K>(indexes: ReadonlyMap<K, number>, key: K): number {
  const index = indexes.get(key);
  if (index === undefined) throw new RangeError("a symbol or section is missing from the image");
  return index;
}

/** Flags of a section with code. */
export const CODE_FLAGS = SHF.ALLOC | SHF.EXECINSTR;
/** Flags of a section with data that can be written. */
export const DATA_FLAGS = SHF.ALLOC | SHF.WRITE;
