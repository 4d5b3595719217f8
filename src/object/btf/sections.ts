/**
 * The types that describe sections of an object rather than values: VARs, DATASECs, and libbpf's map definitions (structs whose member
 * types carry numbers). An `ObjectSpec` says these things in plain fields, so its BTF has none of them; the ELF writer and the loader append
 * them *after* the spec's own types, whose ids thus stay as they are. Source: libbpf's bpf_helpers.h (`__uint`, `__type`).
 */
import { type DataSpec, MAP_TYPE, type MapSpec } from "../spec.ts";
import { sizeOf } from "./layout.ts";
import type { Btf, BtfMember, BtfType } from "./types.ts";

/** `LIBBPF_PIN_BY_NAME` of bpf_helpers.h. */
export const LIBBPF_PIN_BY_NAME = 1;

export interface DataSectionBtf extends Btf {
  /** Id of the DATASEC of each data section that has typed variables, by the section's name: the value type of its map. */
  dataSections: Map<string, number>;
}

/** The BTF to load into a kernel: the given types, and a DATASEC for each data section with typed variables. Valid for Linux 5.15 on. */
export function withDataSections(btf: Btf | null, data: readonly DataSpec[]): DataSectionBtf {
  const types = [...(btf?.types ?? [])];
  const dataSections = new Map<string, number>();
  for (const section of data) {
    const typed = section.variables.filter((variable) => variable.typeId !== 0).sort((a, b) => a.offset - b.offset);
    if (typed.length === 0) continue;
    const variables = typed.map(({ name, offset, size, typeId }) => ({
      type: types.push({ kind: "var", name, type: typeId, linkage: "global" }),
      offset,
      size,
    }));
    dataSections.set(section.name, types.push({ kind: "datasec", name: section.name, size: section.bytes.length, variables }));
  }
  return { types, dataSections };
}

export interface MapDefinition {
  name: string;
  /** Bytes into the section `.maps`. */
  offset: number;
  size: number;
  /** Where the maps that are in it from the start have their slots, of 8 bytes each. */
  values: number;
}

/** Appends the DATASEC `.maps` to `types`. Returns where each map's definition lies in the section, which itself is all zeros. */
export function appendMapDefinitions(types: BtfType[], maps: readonly MapSpec[]): MapDefinition[] {
  if (maps.length === 0) return [];
  const int = types.push({ kind: "int", name: "int", size: 4, bits: 32, encoding: "signed" });
  const indexType = types.push({ kind: "int", name: "__ARRAY_SIZE_TYPE__", size: 4, bits: 32, encoding: "unsigned" });
  const numbers = new Map<number, number>();
  const number = (value: number): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    const array = types.push({ kind: "array", type: int, indexType, length: value });
    const pointer = types.push({ kind: "ptr", type: array });
    numbers.set(value, pointer);
    return pointer;
  };
  /** The definition as a struct: its id, and its size. */
  const structOf = (map: MapSpec): { id: number; size: number } => {
    const members: BtfMember[] = [];
    const member = (name: string, type: number) => members.push({ name, type, bitOffset: members.length * 64, bitSize: 0 });
    member("type", number(map.type));
    if (map.keyTypeId !== 0) member("key", types.push({ kind: "ptr", type: map.keyTypeId }));
    else if (map.keySize !== 0) member("key_size", number(map.keySize));
    if (map.type === MAP_TYPE.RINGBUF) recordType(types, map);
    else if (map.valueTypeId !== 0) member("value", types.push({ kind: "ptr", type: map.valueTypeId }));
    else if (map.valueSize !== 0) member("value_size", number(map.valueSize));
    member("max_entries", number(map.maxEntries));
    if (map.flags !== 0) member("map_flags", number(map.flags));
    if (map.extra !== 0) member("map_extra", number(map.extra));
    if (map.numaNode !== undefined) member("numa_node", number(map.numaNode));
    if (map.pinning === "by-name") member("pinning", number(LIBBPF_PIN_BY_NAME));
    const size = members.length * 8;
    if (map.inner !== undefined) {
      // As C has it: a flexible array of pointers, which adds nothing to the size.
      const pointer = types.push({ kind: "ptr", type: structOf(map.inner).id });
      member("values", types.push({ kind: "array", type: pointer, indexType, length: 0 }));
    } else if (map.type === MAP_TYPE.PROG_ARRAY && map.values !== undefined) {
      const prototype = types.push({ kind: "func_proto", returnType: 0, parameters: [] });
      const pointer = types.push({ kind: "ptr", type: prototype });
      member("values", types.push({ kind: "array", type: pointer, indexType, length: 0 }));
    }
    return { id: types.push({ kind: "struct", name: "", size, members }), size };
  };
  const definitions: MapDefinition[] = [];
  const variables: { type: number; offset: number; size: number }[] = [];
  let offset = 0;
  for (const map of maps) {
    const { id, size: structSize } = structOf(map);
    const slots = Math.max(0, ...(map.values ?? []).map(({ index }) => index + 1));
    const size = structSize + 8 * slots;
    variables.push({ type: types.push({ kind: "var", name: map.name, type: id, linkage: "global" }), offset, size });
    definitions.push({ name: map.name, offset, size, values: offset + structSize });
    offset += size;
  }
  types.push({ kind: "datasec", name: ".maps", size: offset, variables });
  return definitions;
}

/** The name under which the type of a ring buffer's records is kept: libbpf makes no ring buffer whose definition has a `value`. */
export function recordTypeName(map: string): string {
  return `${map.replace(".", "__")}__record`;
}

function recordType(types: BtfType[], { name, valueTypeId }: MapSpec): void {
  if (valueTypeId !== 0) types.push({ kind: "typedef", name: recordTypeName(name), type: valueTypeId });
}

/** Appends the DATASEC `license` with the variable `_license`, `size` bytes of text with its final zero. */
export function appendLicense(types: BtfType[], size: number): void {
  const char = types.push({ kind: "int", name: "char", size: 1, bits: 8, encoding: "signed" });
  const indexType = types.push({ kind: "int", name: "__ARRAY_SIZE_TYPE__", size: 4, bits: 32, encoding: "unsigned" });
  const text = types.push({ kind: "array", type: char, indexType, length: size });
  const variable = types.push({ kind: "var", name: "_license", type: text, linkage: "global" });
  types.push({
    kind: "datasec",
    name: "license",
    size,
    variables: [{ type: variable, offset: 0, size: sizeOf({ types }, text) }],
  });
}
