/**
 * Which type each function has (func_info) and which source line each instruction comes from (line_info), in both forms they exist in:
 * the kernel's, per program, where offsets count slots, and the ELF section `.BTF.ext`, per section, where offsets count bytes.
 * Source: Documentation/bpf/btf.rst, sections "BTF_PROG_LOAD" and ".BTF.ext section".
 */
import { ByteReader } from "../byte-reader.ts";
import { CORE_KINDS, type CoreKind } from "../core/relocation.ts";
import { countSlots } from "../encoding.ts";
import { malformed } from "../malformed.ts";
import { SLOT_SIZE } from "../opcodes.ts";
import type { FunctionSpec } from "../spec.ts";
import type { StringTable } from "../string-table.ts";
import { BTF_MAGIC, BTF_VERSION } from "./kinds.ts";

/** `sizeof(struct bpf_func_info)` */
export const FUNC_INFO_SIZE = 8;
/** `sizeof(struct bpf_line_info)` */
export const LINE_INFO_SIZE = 16;
const CORE_RELOCATION_SIZE = 16;
const HEADER_SIZE = 32;

const LINE_LIMIT = 0x3f_ffff;
const COLUMN_LIMIT = 0x3ff;

export interface KernelExt {
  /** Records of `FUNC_INFO_SIZE` bytes, one per function; empty when a function has no type, as the kernel takes all or none. */
  funcInfo: Uint8Array;
  /** Records of `LINE_INFO_SIZE` bytes; empty when a function has no line at its first slot, as the kernel takes all or none. */
  lineInfo: Uint8Array;
}

/** The texts that line_info names; to be given to `encodeBtf` as extra strings. */
export function lineStrings(functions: readonly FunctionSpec[]): Set<string> {
  return new Set(functions.flatMap((fn) => fn.lines.flatMap((line) => [line.file, line.text])));
}

/**
 * func_info and line_info as `BPF_PROG_LOAD` wants them, for functions that stand one after the other. Lines beyond 4,194,303 and
 * columns beyond 1,023 are cut to what the format holds.
 */
export function kernelExt(functions: readonly FunctionSpec[], stringOffset: (text: string) => number): KernelExt {
  const all = sectionExt("", functions);
  const typed = functions.every((fn) => fn.typeId !== 0);
  const lined = functions.every((fn) => fn.lines[0]?.slot === 0);
  return {
    funcInfo: typed ? functionRecords(all, SLOT_SIZE) : new Uint8Array(0),
    lineInfo: lined ? lineRecords(all, SLOT_SIZE, stringOffset) : new Uint8Array(0),
  };
}

/** What `.BTF.ext` says about one section of code. Offsets are in bytes from the section's start. */
export interface SectionExt {
  section: string;
  functions: { offset: number; typeId: number }[];
  lines: { offset: number; file: string; text: string; line: number; column: number }[];
  core: { offset: number; kind: CoreKind; typeId: number; path: number[] }[];
}

/** func_info and line_info of functions that stand one after the other in a section. Functions without a type or lines are left out. */
export function sectionExt(section: string, functions: readonly FunctionSpec[]): SectionExt {
  const result: SectionExt = { section, functions: [], lines: [], core: [] };
  let start = 0;
  for (const fn of functions) {
    if (fn.typeId !== 0) result.functions.push({ offset: start, typeId: fn.typeId });
    for (const { slot, ...line } of fn.lines) result.lines.push({ offset: start + slot * SLOT_SIZE, ...line });
    for (const { slot, ...core } of fn.core ?? []) result.core.push({ offset: start + slot * SLOT_SIZE, ...core });
    start += countSlots(fn.instructions) * SLOT_SIZE;
  }
  return result;
}

function functionRecords(section: SectionExt, unit: number): Uint8Array {
  const bytes = new Uint8Array(section.functions.length * FUNC_INFO_SIZE);
  const view = new DataView(bytes.buffer);
  section.functions.forEach(({ offset, typeId }, index) => {
    view.setUint32(index * FUNC_INFO_SIZE, offset / unit, true);
    view.setUint32(index * FUNC_INFO_SIZE + 4, typeId, true);
  });
  return bytes;
}

function lineRecords(section: SectionExt, unit: number, stringOffset: (text: string) => number): Uint8Array {
  const bytes = new Uint8Array(section.lines.length * LINE_INFO_SIZE);
  const view = new DataView(bytes.buffer);
  section.lines.forEach(({ offset, file, text, line, column }, index) => {
    const at = index * LINE_INFO_SIZE;
    view.setUint32(at, offset / unit, true);
    view.setUint32(at + 4, stringOffset(file), true);
    view.setUint32(at + 8, stringOffset(text), true);
    view.setUint32(at + 12, Math.min(line, LINE_LIMIT) * 1024 + Math.min(column, COLUMN_LIMIT), true);
  });
  return bytes;
}

function coreRecords(section: SectionExt, stringOffset: (text: string) => number): Uint8Array {
  return joined(
    section.core.map(({ offset, typeId, path, kind }) =>
      words(offset, typeId, stringOffset(path.join(":")), CORE_KINDS.indexOf(kind)),
    ),
  );
}

/** The section `.BTF.ext`. `stringOffset` is that of the BTF, to which section names, files, texts and paths were given as extra strings. */
export function encodeExt(sections: readonly SectionExt[], stringOffset: (text: string) => number): Uint8Array {
  const part = (recordSize: number, records: (section: SectionExt) => Uint8Array): Uint8Array => {
    const chunks: Uint8Array[] = [words(recordSize)];
    for (const section of sections) {
      const bytes = records(section);
      if (bytes.length > 0) chunks.push(words(stringOffset(section.section), bytes.length / recordSize), bytes);
    }
    return chunks.length === 1 ? new Uint8Array(0) : joined(chunks);
  };
  const functions = part(FUNC_INFO_SIZE, (section) => functionRecords(section, 1));
  const lines = part(LINE_INFO_SIZE, (section) => lineRecords(section, 1, stringOffset));
  const core = part(CORE_RELOCATION_SIZE, (section) => coreRecords(section, stringOffset));
  const end = functions.length + lines.length;
  const header = words(0, HEADER_SIZE, 0, functions.length, functions.length, lines.length, end, core.length);
  const view = new DataView(header.buffer);
  view.setUint16(0, BTF_MAGIC, true);
  view.setUint8(2, BTF_VERSION);
  return joined([header, functions, lines, core]);
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, true);
  });
  return bytes;
}

export interface DecodedExt {
  sections: Map<string, SectionExt>;
}

/** Decodes `.BTF.ext`. Throws WirescriptError (BAD_FILE) naming the part and what is wrong with it. */
export function decodeExt(bytes: Uint8Array, strings: StringTable, label = "section .BTF.ext"): DecodedExt {
  const header = new ByteReader(bytes, label);
  if (header.u16() !== BTF_MAGIC) throw malformed(`${label} is damaged.`, "It does not start with the magic number of BTF.");
  const version = header.u8();
  if (version !== BTF_VERSION)
    throw malformed(`${label} is damaged.`, `It claims BTF version ${version}; there is only version 1.`);
  header.skip(1);
  const headerSize = header.u32();
  if (headerSize < 24) throw malformed(`${label} is damaged.`, `Its header claims ${headerSize} bytes; 24 are the least.`);
  const part = (name: string): { name: string; bytes: Uint8Array } => {
    const offset = header.u32();
    const length = header.u32();
    return { name: `The ${name} of ${label}`, bytes: header.slice(headerSize + offset, length) };
  };
  const functions = part("func_info");
  const lines = part("line_info");
  const core = headerSize >= HEADER_SIZE ? part("CO-RE relocations") : undefined;

  const sections = new Map<string, SectionExt>();
  const sectionNamed = (section: string): SectionExt => {
    const known = sections.get(section) ?? { section, functions: [], lines: [], core: [] };
    sections.set(section, known);
    return known;
  };
  readRecords(functions, FUNC_INFO_SIZE, strings, (section, reader) => {
    const list = sectionNamed(section).functions;
    const record = { offset: reader.u32(), typeId: reader.u32() };
    checkAscending(functions.name, section, list.at(-1)?.offset, record.offset);
    list.push(record);
  });
  readRecords(lines, LINE_INFO_SIZE, strings, (section, reader) => {
    const list = sectionNamed(section).lines;
    const offset = reader.u32();
    const file = strings.at(reader.u32());
    const text = strings.at(reader.u32());
    const place = reader.u32();
    checkAscending(lines.name, section, list.at(-1)?.offset, offset);
    list.push({ offset, file, text, line: place >>> 10, column: place & COLUMN_LIMIT });
  });
  if (core) {
    readRecords(core, CORE_RELOCATION_SIZE, strings, (section, reader) => {
      const list = sectionNamed(section).core;
      const [offset, typeId, path, number] = [reader.u32(), reader.u32(), strings.at(reader.u32()), reader.u32()];
      const kind = CORE_KINDS[number];
      if (kind === undefined)
        throw malformed(
          `${core.name} is damaged.`,
          `The relocation at byte ${offset} of section ${section} has kind ${number}.`,
        );
      if (!/^\d{1,9}(:\d{1,9}){0,63}$/.test(path))
        throw malformed(
          `${core.name} is damaged.`,
          `The relocation at byte ${offset} of section ${section} has path "${path}".`,
        );
      list.push({ offset, kind, typeId, path: path.split(":").map(Number) });
    });
    for (const { section, core: list } of sections.values()) {
      list.sort((a, b) => a.offset - b.offset);
      if (list.some(({ offset }) => offset % SLOT_SIZE !== 0))
        throw malformed(`${core.name} is damaged.`, `In section ${section} one lies within an instruction.`);
    }
  }
  return { sections };
}

function checkAscending(part: string, section: string, before: number | undefined, offset: number): void {
  if (offset % SLOT_SIZE !== 0 || (before !== undefined && offset <= before)) {
    throw malformed(
      `${part} is damaged.`,
      `In section ${section} offset ${offset} comes after ${before ?? "the start"}; offsets ascend in steps of 8.`,
    );
  }
}

/** Calls `read` for each record with a cursor over that record alone; longer records than known are allowed, as the format promises. */
function readRecords(
  part: { name: string; bytes: Uint8Array },
  leastSize: number,
  strings: StringTable,
  read: (section: string, reader: ByteReader) => void,
): void {
  if (part.bytes.length === 0) return;
  const reader = new ByteReader(part.bytes, part.name);
  const size = reader.u32();
  if (size < leastSize || size % 4 !== 0)
    throw malformed(`${part.name} is damaged.`, `Its records claim ${size} bytes; ${leastSize} are the least.`);
  while (reader.left > 0) {
    const section = strings.at(reader.u32());
    const count = reader.u32();
    for (let i = 0; i < count; i++) {
      const record = new ByteReader(reader.slice(reader.position, size), part.name);
      reader.skip(size);
      read(section, record);
    }
  }
}
