/**
 * An eBPF object file as an `ObjectSpec`: our own, those of clang with BTF-defined maps, and those of the time before with maps
 * in iproute2's or libbpf's structs. Nothing is asked of the running kernel: equal files give equal specs on every machine.
 * What needs a kernel (CO-RE, kconfig, ksyms) is noted in the spec, for the loader.
 *
 * `readElf(writeElf(spec))` equals `spec`, but for this: references are in their unlinked form (`encoding.ts`), subprograms of
 * a program stand in the order of `.text`, programs of one section stand together, variables are sorted by offset, BTF without
 * types is `null`, the type of a program comes from its section's name or its function's type (`program-type.ts`), and texts of
 * lines lose their indentation.
 */
import { createHash } from "node:crypto";
import { WirescriptError } from "../../errors.ts";
import { decodeBtf } from "../btf/decode.ts";
import { type DecodedExt, decodeExt } from "../btf/ext.ts";
import type { Btf } from "../btf/types.ts";
import { malformed } from "../malformed.ts";
import type { FunctionSpec, MapSpec, ObjectSpec } from "../spec.ts";
import { type CodeFunction, readCode } from "./code.ts";
import { readDataSections } from "./data.ts";
import { readExterns } from "./externs.ts";
import { type ElfFile, parseElf } from "./file.ts";
import { LICENSE_SECTION } from "./format.ts";
import { codeSections, findFunctions } from "./functions.ts";
import { linkTargets } from "./link.ts";
import { readMaps } from "./maps.ts";
import { putTailPrograms, readPrograms } from "./programs.ts";
import { pruneSections } from "./prune.ts";

/**
 * Throws WirescriptError (BAD_FILE) naming section, symbol and reason for whatever is damaged, hostile or not supported. `name`
 * is how messages call the file.
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
  const places = findFunctions(file, codeSections(file));
  const maps = readMaps(file, btf, places);
  const data = readDataSections(file, btf);
  const externs = readExterns(file, btf);
  const code = readCode(file, places, linkTargets(file, maps, places, externs), btf, ext);
  const { programs, omitted } = readPrograms(code, btf);
  putTailPrograms(programs, maps);
  const spec: ObjectSpec = {
    license: readLicense(file),
    programs,
    maps: maps.maps,
    data,
    btf,
    ...(externs.length > 0 && { externs }),
    ...(omitted.length > 0 && { omitted }),
    ...(maps.maps.some(({ pinning }) => pinning === "object") && { hash: createHash("sha1").update(bytes).digest("hex") }),
  };
  if (btf === null) return spec;
  hideFunctions(btf, code);
  return withoutSectionTypes(spec, btf, code);
}

/** The kernel judges functions that are static in BTF once for each call, and that is what `__hidden` asks for. */
function hideFunctions(btf: Btf, code: readonly CodeFunction[]): void {
  for (const { place, fn } of code) {
    const type = btf.types[fn.typeId - 1];
    if (place.hidden && type?.kind === "func") type.linkage = "static";
  }
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
  const ext: DecodedExt = { sections: new Map() };
  const section = file.sections.find((each) => each.name === ".BTF");
  if (section === undefined) return { btf: null, ext };
  const { types, strings } = decodeBtf(section.bytes, "section .BTF");
  const extSection = file.sections.find((each) => each.name === ".BTF.ext");
  return { btf: { types }, ext: extSection === undefined ? ext : decodeExt(extSection.bytes, strings) };
}

function withoutSectionTypes(spec: ObjectSpec, all: Btf, code: readonly CodeFunction[]): ObjectSpec {
  const functions: FunctionSpec[] = code.map(({ fn }) => fn);
  for (const { name, core } of functions) for (const { typeId } of core ?? []) mustExist(all, typeId, name);
  const used = [
    ...functions.flatMap((fn) => [fn.typeId, ...(fn.core ?? []).map(({ typeId }) => typeId)]),
    ...(spec.externs ?? []).map(({ typeId }) => typeId),
    ...spec.maps.flatMap((map) => [map, ...(map.inner === undefined ? [] : [map.inner])]).flatMap(typeIds),
    ...spec.data.flatMap((data) => data.variables.map((variable) => variable.typeId)),
  ];
  const { btf, newId } = pruneSections(all, used);
  // Programs share their functions, so each function is changed once, in place.
  for (const fn of functions) {
    fn.typeId = newId(fn.typeId);
    for (const relocation of fn.core ?? []) relocation.typeId = newId(relocation.typeId);
  }
  return {
    ...spec,
    btf,
    ...(spec.externs && { externs: spec.externs.map((extern) => ({ ...extern, typeId: newId(extern.typeId) })) }),
    maps: spec.maps.map((map) => renumbered(map, newId)),
    data: spec.data.map((data) => ({
      ...data,
      variables: data.variables.map((variable) => ({ ...variable, typeId: newId(variable.typeId) })),
    })),
  };
}

function mustExist(btf: Btf, typeId: number, fn: string): void {
  if (typeId >= 1 && typeId <= btf.types.length) return;
  throw malformed(
    `The CO-RE table of function ${fn} is damaged.`,
    `It names type ${typeId}; there are 1 to ${btf.types.length}.`,
  );
}

function typeIds({ keyTypeId, valueTypeId }: MapSpec): number[] {
  return [keyTypeId, valueTypeId];
}

function renumbered(map: MapSpec, newId: (id: number) => number): MapSpec {
  const { keyTypeId, valueTypeId, inner } = map;
  const own = { ...map, keyTypeId: newId(keyTypeId), valueTypeId: newId(valueTypeId) };
  return inner === undefined ? own : { ...own, inner: renumbered(inner, newId) };
}
