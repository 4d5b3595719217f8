/**
 * An eBPF object file as an `ObjectSpec`: our own, and those of clang 14 and later with BTF-defined maps, global data, static and global
 * subprograms, several programs a section. Nothing is asked of the running kernel: equal files give equal specs on every machine.
 *
 * `readElf(writeElf(spec))` equals `spec`, but for this: references are in their unlinked form (`encoding.ts`), subprograms of a program stand
 * in the order of `.text`, programs of one section stand together, variables are sorted by offset, BTF without types is `null`,
 * the type of a program comes from its section's name or its function's type (`program-type.ts`), and texts of lines lose their indentation.
 *
 * What needs the running kernel to be understood (CO-RE, kconfig, ksyms), initial values of maps, and maps in maps are refused with
 * an error that names them.
 */
import { WirescriptError } from "../../errors.ts";
import { decodeBtf } from "../btf/decode.ts";
import { type DecodedExt, decodeExt } from "../btf/ext.ts";
import type { Btf } from "../btf/types.ts";
import { malformed, unsupported } from "../malformed.ts";
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec } from "../spec.ts";
import { type CodeSection, readCode } from "./code.ts";
import { readDataSections } from "./data.ts";
import { type ElfFile, parseElf } from "./file.ts";
import { LICENSE_SECTION, TEXT_SECTION } from "./format.ts";
import { readMaps } from "./maps.ts";
import { programTypeOf } from "./program-type.ts";
import { pruneSections } from "./prune.ts";

/**
 * Throws WirescriptError (BAD_FILE) naming section, symbol and reason for whatever is damaged, hostile or not supported. `name` is how
 * messages call the file.
 */
export function readElf(bytes: Uint8Array, name = "the object"): ObjectSpec {
  try {
    return readObject(bytes);
  } catch (error) {
    if (!(error instanceof WirescriptError)) throw error;
    const { code, why, fix } = error;
    throw new WirescriptError({ code, what: `${name}: ${error.message}`, why, fix, cause: error });
  }
}

function readObject(bytes: Uint8Array): ObjectSpec {
  const file = parseElf(bytes);
  const { btf, ext } = readBtf(file);
  const maps = readMaps(file, btf);
  const data = readDataSections(file, btf);
  const code = readCode(file, maps, btf, ext);
  const programs = readPrograms(code, btf);
  const spec: ObjectSpec = { license: readLicense(file), programs, maps: maps.maps, data, btf };
  return btf === null ? spec : withoutSectionTypes(spec, btf, code);
}

function readLicense(file: ElfFile): string {
  const bytes = file.sections.find((section) => section.name === LICENSE_SECTION)?.bytes;
  if (bytes === undefined) return "";
  const end = bytes.indexOf(0);
  // The kernel takes 128 bytes at most (`bpf_prog_load`).
  if (bytes.length > 128 || end < 0)
    throw malformed("Section license is damaged.", "It is no zero-terminated text of at most 128 bytes.");
  return new TextDecoder().decode(bytes.subarray(0, end));
}

function readBtf(file: ElfFile): { btf: Btf | null; ext: DecodedExt } {
  const none = { btf: null, ext: { sections: new Map(), coreRelocations: [] } };
  const section = file.sections.find((each) => each.name === ".BTF");
  if (section === undefined) return none;
  const { types, strings } = decodeBtf(section.bytes, "section .BTF");
  const extSection = file.sections.find((each) => each.name === ".BTF.ext");
  if (extSection === undefined) return { ...none, btf: { types } };
  const ext = decodeExt(extSection.bytes, strings);
  const [core] = ext.coreRelocations;
  if (core) {
    const type = types[core.typeId - 1];
    const typeName = type !== undefined && "name" in type ? type.name : `type ${core.typeId}`;
    throw unsupported(
      `The code in section ${core.section} adapts itself to the running kernel's layout of ${typeName} (byte ${core.offset}, access ${core.access}).`,
      "It needs CO-RE relocations, which Wirescript does not apply yet.",
      "Use stable types only (no vmlinux.h with preserve_access_index), or load the object with bpftool.",
    );
  }
  return { btf: { types }, ext };
}

/** `BPF_MAX_SUBPROGS` of the kernel: beyond it no program loads. */
const SUBPROGRAM_LIMIT = 256;

function readPrograms(code: readonly CodeSection[], btf: Btf | null): ProgramSpec[] {
  const text = code.find((section) => section.name === TEXT_SECTION)?.functions ?? [];
  const order = new Map(text.map((fn, index) => [fn.name, index]));
  const callees = new Map(code.flatMap(({ functions }) => functions).map((fn) => [fn, calledBy(fn)]));
  return code
    .filter((section) => section.name !== TEXT_SECTION)
    .flatMap(({ name: section, functions }) => {
      return functions.map((entry) => {
        const type = programTypeOf(section, btf, entry.typeId);
        const reached = new Set<FunctionSpec>();
        const pending = [entry];
        for (let fn = pending.pop(); fn !== undefined; fn = pending.pop()) {
          for (const name of callees.get(fn) ?? []) {
            const callee = text[order.get(name) ?? -1];
            if (callee === undefined || reached.has(callee)) continue;
            reached.add(callee);
            pending.push(callee);
          }
          if (reached.size >= SUBPROGRAM_LIMIT) {
            throw malformed(
              `Program ${entry.name} is too large.`,
              `It reaches more than ${SUBPROGRAM_LIMIT} functions, which no kernel takes.`,
            );
          }
        }
        const subprograms = [...reached].sort((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0));
        return { name: entry.name, section, type, functions: [entry, ...subprograms] };
      });
    });
}

function calledBy(fn: FunctionSpec): Set<string> {
  const names = new Set<string>();
  for (const { reference } of fn.instructions) if (reference?.kind === "function") names.add(reference.name);
  return names;
}

function withoutSectionTypes(spec: ObjectSpec, all: Btf, code: readonly CodeSection[]): ObjectSpec {
  const functions = code.flatMap((section) => section.functions);
  const used = [
    ...functions.map((fn) => fn.typeId),
    ...spec.maps.flatMap((map) => [map, ...(map.inner === undefined ? [] : [map.inner])]).flatMap(typeIds),
    ...spec.data.flatMap((data) => data.variables.map((variable) => variable.typeId)),
  ];
  const { btf, newId } = pruneSections(all, used);
  // Programs share their functions, so each function is changed once, in place.
  for (const fn of functions) fn.typeId = newId(fn.typeId);
  return {
    ...spec,
    btf,
    maps: spec.maps.map((map) => renumbered(map, newId)),
    data: spec.data.map((data) => ({
      ...data,
      variables: data.variables.map((variable) => ({ ...variable, typeId: newId(variable.typeId) })),
    })),
  };
}

function typeIds({ keyTypeId, valueTypeId }: MapSpec): number[] {
  return [keyTypeId, valueTypeId];
}

function renumbered(map: MapSpec, newId: (id: number) => number): MapSpec {
  const { keyTypeId, valueTypeId, inner } = map;
  const own = { ...map, keyTypeId: newId(keyTypeId), valueTypeId: newId(valueTypeId) };
  return inner === undefined ? own : { ...own, inner: renumbered(inner, newId) };
}
