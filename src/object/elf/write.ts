/**
 * An `ObjectSpec` as an ELF file that every loader of the field takes: libbpf (bpftool, ip, tc, xdp-loader), cilium/ebpf, aya. Equal specs
 * give equal bytes. Three choices rest on what those loaders accept:
 * - Subprograms are in `.text`, once each, even when several programs share them. Calls to static ones go through the section's symbol
 *   with the distance in the immediate, calls to global ones through the function's own symbol.
 * - Addresses of data go through the section's symbol with the offset in the immediate, so that variables need no symbols.
 * - Maps are BTF-defined (`.maps`); an object therefore always has BTF.
 */
import { isDeepStrictEqual } from "node:util";
import { encodeBtf } from "../btf/encode.ts";
import { encodeExt, lineStrings, type SectionExt, sectionExt } from "../btf/ext.ts";
import { appendLicense, appendMapDefinitions, withDataSections } from "../btf/sections.ts";
import { countSlots, encode } from "../encoding.ts";
import { type Instruction, slots } from "../instruction.ts";
import { CALL, OPCODE, SLOT_SIZE } from "../opcodes.ts";
import type { DataSpec, FunctionSpec, ObjectSpec } from "../spec.ts";
import {
  dataSectionKind,
  LICENSE_SECTION,
  MAPS_SECTION,
  R_BPF_64_32,
  R_BPF_64_64,
  R_BPF_64_ABS64,
  SHF,
  SHT,
  STB,
  STT,
  TEXT_SECTION,
} from "./format.ts";
import { buildImage, CODE_FLAGS, DATA_FLAGS, type ImageSection, type ImageSymbol } from "./image.ts";

/**
 * Returns the bytes of a relocatable ELF64 file (little-endian, EM_BPF). Throws RangeError when the spec contradicts itself: a
 * reference to nothing, two functions of one name, data in `.bss` that is not zero. That is a defect of whoever made the spec. It also does
 * for what only objects of other compilers have and libbpf would not take: pins in iproute2's places, programs that others call, symbols of the kernel.
 */
export function writeElf(spec: ObjectSpec): Uint8Array {
  const symbols: ImageSymbol[] = [];
  const targets: Targets = { maps: new Map(), data: new Map(), functions: new Map(), programs: new Map(), text: undefined };

  const code = layOutCode(spec);
  const codeSections = code.map(({ name, functions }) => {
    const size = countSlots(functions.flatMap((fn) => fn.instructions)) * SLOT_SIZE;
    return section(name, SHT.PROGBITS, CODE_FLAGS, SLOT_SIZE, new Uint8Array(size));
  });
  code.forEach(({ name, functions }, index) => {
    const home = at(codeSections, index);
    if (name === TEXT_SECTION) {
      targets.text = { name, type: STT.SECTION, binding: STB.LOCAL, section: home, value: 0, size: 0 };
      symbols.push(targets.text);
    }
    let value = 0;
    for (const fn of functions) {
      const size = countSlots(fn.instructions) * SLOT_SIZE;
      const binding = name !== TEXT_SECTION || isGlobal(spec, fn) ? STB.GLOBAL : STB.LOCAL;
      const symbol = { name: fn.name, type: STT.FUNC, binding, section: home, value, size };
      symbols.push(symbol);
      (name === TEXT_SECTION ? targets.functions : targets.programs).set(fn.name, symbol);
      value += size;
    }
  });

  const dataSections = spec.data.map((data) => {
    const home = dataSection(data);
    const start = { name: data.name, type: STT.SECTION, binding: STB.LOCAL, section: home, value: 0, size: 0 };
    symbols.push(start);
    targets.data.set(data.name, start);
    for (const { name, offset, size } of data.variables) {
      symbols.push({ name, type: STT.OBJECT, binding: STB.GLOBAL, section: home, value: offset, size });
    }
    return home;
  });

  const license = new TextEncoder().encode(`${spec.license}\0`);
  const licenseSection = section(LICENSE_SECTION, SHT.PROGBITS, DATA_FLAGS, 1, license);
  symbols.push({
    name: "_license",
    type: STT.OBJECT,
    binding: STB.GLOBAL,
    section: licenseSection,
    value: 0,
    size: license.length,
  });

  for (const { name, pinning } of spec.maps)
    if (pinning === "global" || pinning === "object")
      throw new RangeError(`map ${name} is pinned ${pinning}, as BTF cannot say`);
  const { types } = withDataSections(spec.btf, spec.data);
  const definitions = appendMapDefinitions(types, spec.maps);
  appendLicense(types, license.length);
  const mapsSize = definitions.reduce((sum, definition) => sum + definition.size, 0);
  const mapsSection = section(MAPS_SECTION, SHT.PROGBITS, DATA_FLAGS, 8, new Uint8Array(mapsSize));
  for (const { name, offset, size } of definitions) {
    const symbol = { name, type: STT.OBJECT, binding: STB.GLOBAL, section: mapsSection, value: offset, size };
    symbols.push(symbol);
    targets.maps.set(name, symbol);
  }
  spec.maps.forEach((map, position) => {
    for (const value of map.values ?? []) {
      const symbol = "map" in value ? targets.maps.get(value.map) : targets.programs.get(value.program);
      if (symbol === undefined)
        throw new RangeError(`map ${map.name} holds ${JSON.stringify(value)}, which is not in the object`);
      const offset = at(definitions, position).values + 8 * value.index;
      mapsSection.relocations.push({ offset, type: R_BPF_64_ABS64, symbol });
    }
  });

  code.forEach(({ functions }, index) => {
    link(at(codeSections, index), functions, targets);
  });

  const ext = code.map(({ name, functions }) => sectionExt(name, functions));
  const btf = encodeBtf({ types }, extStrings(ext, code));
  const sections = [
    ...codeSections,
    ...(definitions.length > 0 ? [mapsSection] : []),
    ...dataSections,
    licenseSection,
    section(".BTF", SHT.PROGBITS, 0, 4, btf.bytes),
  ];
  if (ext.some((each) => each.functions.length > 0 || each.lines.length > 0 || each.core.length > 0)) {
    sections.push(section(".BTF.ext", SHT.PROGBITS, 0, 4, encodeExt(ext, btf.stringOffset)));
  }
  return buildImage(sections, symbols);
}

interface CodeSection {
  name: string;
  functions: FunctionSpec[];
}

/** `.text` with the subprograms, then the programs' sections in order of first appearance. */
function layOutCode(spec: ObjectSpec): CodeSection[] {
  const subprograms = new Map<string, FunctionSpec>();
  const sections = new Map<string, FunctionSpec[]>();
  for (const program of spec.programs) {
    const [entry, ...rest] = program.functions;
    if (entry === undefined) throw new RangeError(`program ${program.name} has no function`);
    if (program.section === TEXT_SECTION && (spec.programs.length > 1 || rest.length > 0))
      throw new RangeError(`program ${program.name} is in .text beside other functions, which makes it a subprogram`);
    if (entry.name !== program.name) throw new RangeError(`program ${program.name} starts with function ${entry.name}`);
    sections.set(program.section, [...(sections.get(program.section) ?? []), entry]);
    for (const fn of rest) {
      const known = subprograms.get(fn.name);
      if (known !== undefined && known !== fn && !isDeepStrictEqual(known, fn)) {
        throw new RangeError(`there are two different functions named ${fn.name}`);
      }
      subprograms.set(fn.name, fn);
    }
  }
  for (const { name } of spec.programs)
    if (subprograms.has(name)) throw new RangeError(`program ${name} is called by others, which only subprograms can be`);
  const programs = [...sections].map(([name, functions]) => ({ name, functions }));
  return subprograms.size === 0 ? programs : [{ name: TEXT_SECTION, functions: inCommonOrder(spec, subprograms) }, ...programs];
}

/** An order of the subprograms that each program's own order agrees with, if there is one; else, and within it, that of first appearance. */
function inCommonOrder(spec: ObjectSpec, subprograms: ReadonlyMap<string, FunctionSpec>): FunctionSpec[] {
  const successors = new Map<string, Set<string>>();
  const predecessors = new Map<string, number>();
  for (const { functions } of spec.programs) {
    for (let i = 2; i < functions.length; i++) {
      const [before, after] = [at(functions, i - 1).name, at(functions, i).name];
      const known = successors.get(before) ?? new Set();
      successors.set(before, known);
      if (known.has(after)) continue;
      known.add(after);
      predecessors.set(after, (predecessors.get(after) ?? 0) + 1);
    }
  }
  const ordered = new Set<string>();
  const visit = (name: string) => {
    ordered.add(name);
    for (const after of successors.get(name) ?? []) {
      const left = (predecessors.get(after) ?? 0) - 1;
      predecessors.set(after, left);
      if (left === 0 && !ordered.has(after)) visit(after);
    }
  };
  for (const name of subprograms.keys()) if ((predecessors.get(name) ?? 0) === 0 && !ordered.has(name)) visit(name);
  for (const name of subprograms.keys()) ordered.add(name);
  return [...ordered].flatMap((name) => subprograms.get(name) ?? []);
}

function isGlobal(spec: ObjectSpec, fn: FunctionSpec): boolean {
  const type = spec.btf?.types[fn.typeId - 1];
  return type?.kind === "func" && type.linkage === "global";
}

function dataSection(data: DataSpec): ImageSection {
  const kind = dataSectionKind(data.name);
  if (kind === undefined) throw new RangeError(`${data.name} is no name for a data section`);
  if (data.readonly !== (kind === "rodata"))
    throw new RangeError(`data section ${data.name} is ${data.readonly ? "" : "not "}read-only`);
  if (kind === "bss" && data.bytes.some((byte) => byte !== 0))
    throw new RangeError(`data section ${data.name} is not all zeros`);
  const flags = kind === "rodata" ? SHF.ALLOC : DATA_FLAGS;
  return section(data.name, kind === "bss" ? SHT.NOBITS : SHT.PROGBITS, flags, 8, data.bytes);
}

interface Targets {
  maps: Map<string, ImageSymbol>;
  data: Map<string, ImageSymbol>;
  functions: Map<string, ImageSymbol>;
  programs: Map<string, ImageSymbol>;
  /** The section symbol of `.text`. */
  text: ImageSymbol | undefined;
}

/** Fills the section with code and notes its relocations. */
function link(home: ImageSection, functions: readonly FunctionSpec[], targets: Targets): void {
  let offset = 0;
  const linked: Instruction[] = [];
  for (const instruction of functions.flatMap((fn) => fn.instructions)) {
    if (instruction.reference === undefined) {
      linked.push(instruction);
    } else {
      const { symbol, type, addend } = resolve(instruction, targets);
      home.relocations.push({ offset, type, symbol });
      const { reference: _, ...plain } = instruction;
      linked.push(
        type === R_BPF_64_32
          ? { ...plain, src: CALL.SUBPROGRAM, imm: addend / SLOT_SIZE - 1 }
          : { ...plain, src: 0, imm: BigInt(addend) },
      );
    }
    offset += slots(instruction) * SLOT_SIZE;
  }
  home.bytes.set(encode(linked));
}

/** The symbol that the instruction means, and the distance in bytes from the symbol. */
function resolve(instruction: Instruction, targets: Targets): { symbol: ImageSymbol; type: number; addend: number } {
  const { opcode, reference } = instruction;
  if (opcode === OPCODE.CALL && reference?.kind === "function") {
    const symbol = targets.functions.get(reference.name);
    if (symbol && targets.text) {
      if (symbol.binding === STB.GLOBAL) return { symbol, type: R_BPF_64_32, addend: 0 };
      return { symbol: targets.text, type: R_BPF_64_32, addend: symbol.value };
    }
  } else if (opcode === OPCODE.LD_IMM64 && reference?.kind === "function") {
    const symbol = targets.functions.get(reference.name);
    if (symbol && targets.text) return { symbol: targets.text, type: R_BPF_64_64, addend: symbol.value };
  } else if (opcode === OPCODE.LD_IMM64 && reference?.kind === "map") {
    const symbol = targets.maps.get(reference.name);
    if (symbol) return { symbol, type: R_BPF_64_64, addend: 0 };
  } else if (opcode === OPCODE.LD_IMM64 && reference?.kind === "data") {
    const symbol = targets.data.get(reference.section);
    if (symbol && reference.offset >= 0 && reference.offset <= symbol.section.bytes.length) {
      return { symbol, type: R_BPF_64_64, addend: reference.offset };
    }
  }
  throw new RangeError(
    `an instruction with opcode ${opcode} refers to ${JSON.stringify(reference)}, which is not in the object`,
  );
}

function extStrings(ext: readonly SectionExt[], code: readonly CodeSection[]): string[] {
  const paths = ext.flatMap(({ core }) => core.map(({ path }) => path.join(":")));
  return [...ext.map((each) => each.section), ...code.flatMap(({ functions }) => [...lineStrings(functions)]), ...paths];
}

function section(name: string, type: number, flags: number, align: number, bytes: Uint8Array): ImageSection {
  return { name, type, flags, align, bytes, relocations: [] };
}

function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new RangeError(`there is no element ${index}`);
  return value;
}
