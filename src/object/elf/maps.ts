/**
 * Maps from the section `.maps`. Their definitions are BTF types alone: each map is a variable of an anonymous struct, a number N stands as a
 * pointer to an array of N ints, a type as a pointer to it. The section's bytes say nothing. Source: libbpf's bpf_helpers.h.
 */
import { sizeOf, typeAt, underlying } from "../btf/layout.ts";
import { LIBBPF_PIN_BY_NAME, recordTypeName } from "../btf/sections.ts";
import type { Btf, BtfMember } from "../btf/types.ts";
import { malformed, unsupported } from "../malformed.ts";
import { MAP_TYPE, type MapSpec } from "../spec.ts";
import type { ElfFile, ElfSection } from "./file.ts";
import { MAPS_SECTION, STT } from "./format.ts";

export interface MapsSection {
  /** In the order of the section. */
  maps: MapSpec[];
  /** The map's name by its offset in the section. */
  byOffset: Map<number, string>;
  section: ElfSection | undefined;
}

export function readMaps(file: ElfFile, btf: Btf | null): MapsSection {
  if (file.sections.some((section) => section.name === "maps" && section.size > 0)) {
    throw unsupported(
      "Section maps holds map definitions of the old kind.",
      "They are structs of numbers (bpf_map_def, bpf_elf_map) without types; libbpf 1.0 dropped them too.",
      'Define the maps with SEC(".maps") and __uint/__type of bpf_helpers.h.',
    );
  }
  const section = file.sections.find((each) => each.name === MAPS_SECTION);
  if (section === undefined || section.size === 0) return { maps: [], byOffset: new Map(), section };
  const types = definitions(btf);
  const found: Found[] = [];
  const names = new Set<string>();
  for (const symbol of file.symbols) {
    if (symbol.sectionIndex !== section.index || symbol.type === STT.SECTION) continue;
    const definition = types.get(symbol.name);
    if (btf === null || definition === undefined) {
      throw malformed(
        `Map ${symbol.name} has no definition.`,
        "The object's BTF does not describe it.",
        "Compile with -g: clang makes BTF only then.",
      );
    }
    if (names.has(symbol.name)) throw malformed(`Map ${symbol.name} is there twice.`, "Two symbols in .maps have this name.");
    names.add(symbol.name);
    const values = symbol.value + (underlying(btf, definition)?.kind === "struct" ? sizeOf(btf, definition) : 0);
    const end = symbol.value + symbol.size;
    found.push({ offset: symbol.value, values, end, map: readDefinition(btf, symbol.name, definition) });
  }
  found.sort((a, b) => a.offset - b.offset);
  readInitialValues(file, section, found);
  return { maps: found.map(({ map }) => map), byOffset: new Map(found.map(({ offset, map }) => [offset, map.name])), section };
}

interface Found {
  map: MapSpec;
  /** Where it lies in the section: from `offset` to `end`, what is in it at first from `values` on. */
  offset: number;
  values: number;
  end: number;
}

/** Maps of maps that are not empty at first: each slot that is filled is a relocation to a map. */
function readInitialValues(file: ElfFile, section: ElfSection, found: readonly Found[]): void {
  for (const { offset, symbol } of file.relocations.get(section.index)?.values() ?? []) {
    const outer = found.find((each) => offset >= each.offset && offset < each.end);
    const index = outer === undefined ? -1 : (offset - outer.values) / 8;
    const inner = found.find(({ map }) => map.name === symbol.name && symbol.sectionIndex === section.index);
    const isInside = outer !== undefined && Number.isInteger(index) && index >= 0 && index < outer.map.maxEntries;
    if (!isInside || outer.map.inner === undefined || inner === undefined) {
      throw malformed(
        `Section .maps refers to ${symbol.name || "something"} at offset ${offset}.`,
        "Only maps of maps have other maps in them from the start, and only as many as they have room for.",
      );
    }
    outer.map.values = [...(outer.map.values ?? []), { index, map: inner.map.name }].sort((a, b) => a.index - b.index);
  }
}

/** Type id of each variable in the DATASEC `.maps`, by name. */
function definitions(btf: Btf | null): Map<string, number> {
  const result = new Map<string, number>();
  for (const type of btf?.types ?? []) {
    if (btf === null || type.kind !== "datasec" || type.name !== MAPS_SECTION) continue;
    for (const { type: id } of type.variables) {
      const variable = typeAt(btf, id);
      if (variable?.kind === "var") result.set(variable.name, variable.type);
    }
  }
  return result;
}

function readDefinition(btf: Btf, name: string, typeId: number, isInner = false): MapSpec {
  const struct = underlying(btf, typeId);
  if (struct?.kind !== "struct") throw malformed(`The definition of map ${name} is damaged.`, "Its type is no struct.");
  if (struct.members.length > KNOWN_NUMBERS.size + 4)
    throw malformed(`The definition of map ${name} is damaged.`, `It has ${struct.members.length} members.`);
  const numbers = new Map<string, number>();
  const types = new Map<string, number>();
  let inner: MapSpec | null = null;
  for (const member of struct.members) {
    if (KNOWN_NUMBERS.has(member.name)) numbers.set(member.name, numberOf(btf, name, member));
    else if (member.name === "values" && !isInner && MAPS_OF_MAPS.has(numbers.get("type") ?? 0))
      inner = readInner(btf, name, member);
    else if (member.name === "key" || member.name === "value") types.set(member.name, pointee(btf, name, member));
    else throw unsupportedMember(name, member.name);
  }
  if (numbers.get("numa_node")) throw unsupportedMember(name, "numa_node");
  const type = numbers.get("type");
  if (type === undefined) throw malformed(`The definition of map ${name} is damaged.`, "It has no member `type`.");
  const pinning = numbers.get("pinning") ?? 0;
  if (pinning !== 0 && pinning !== LIBBPF_PIN_BY_NAME)
    throw malformed(`The definition of map ${name} is damaged.`, `Its pinning is ${pinning}; there are 0 and 1.`);
  return {
    name,
    type,
    keySize: sizeOfPart(btf, name, "key", types, numbers),
    // Maps of maps hold descriptors: libbpf does not ask for a size either.
    valueSize: sizeOfPart(btf, name, "value", types, numbers) || (inner === null ? 0 : 4),
    maxEntries: numbers.get("max_entries") ?? 0,
    flags: numbers.get("map_flags") ?? 0,
    extra: numbers.get("map_extra") ?? 0,
    pinning: pinning === LIBBPF_PIN_BY_NAME ? "by-name" : "none",
    keyTypeId: types.get("key") ?? 0,
    valueTypeId: types.get("value") ?? (type === MAP_TYPE.RINGBUF ? recordTypeOf(btf, name) : 0),
    ...(inner !== null && { inner }),
  };
}

/** What `recordType` of `btf/sections.ts` has written; 0 when there is none. */
function recordTypeOf(btf: Btf, map: string): number {
  const name = recordTypeName(map);
  const type = btf.types.find((each) => each.kind === "typedef" && each.name === name);
  return type?.kind === "typedef" ? type.type : 0;
}

const MAPS_OF_MAPS = new Set<number>([MAP_TYPE.ARRAY_OF_MAPS, MAP_TYPE.HASH_OF_MAPS]);

/** `__array(values, struct { … })`: an array of no length of pointers to the definition of the maps inside. */
function readInner(btf: Btf, map: string, member: BtfMember): MapSpec {
  const array = underlying(btf, member.type);
  const pointer = array?.kind === "array" && array.length === 0 ? underlying(btf, array.type) : undefined;
  const name = `${map}.inner`;
  if (pointer?.kind !== "ptr") {
    throw malformed(`The definition of map ${map} is damaged.`, "Its member values is no array of pointers to a definition.");
  }
  const inner = readDefinition(btf, name, pointer.type, true);
  if (inner.pinning === "none") return inner;
  throw malformed(`The definition of map ${map} is damaged.`, "The maps in it cannot be pinned by its definition.");
}

const KNOWN_NUMBERS = new Set([
  "type",
  "max_entries",
  "map_flags",
  "key_size",
  "value_size",
  "pinning",
  "numa_node",
  "map_extra",
]);

function unsupportedMember(map: string, member: string): Error {
  const why =
    member === "values"
      ? "It sets initial values or inner maps, which Wirescript does not know yet."
      : "Wirescript does not know it.";
  return unsupported(
    `The definition of map ${map} has the member ${member}.`,
    why,
    "Leave the member out, or load the object with bpftool.",
  );
}

function sizeOfPart(
  btf: Btf,
  map: string,
  part: "key" | "value",
  types: Map<string, number>,
  numbers: Map<string, number>,
): number {
  const typeId = types.get(part);
  const given = numbers.get(`${part}_size`);
  if (typeId === undefined) return given ?? 0;
  const size = sizeOf(btf, typeId);
  if (given !== undefined && given !== size) {
    throw malformed(
      `The definition of map ${map} is damaged.`,
      `Its ${part}_size is ${given}, but the type of ${part} has ${size} bytes.`,
    );
  }
  return size;
}

function pointee(btf: Btf, map: string, member: BtfMember): number {
  const pointer = underlying(btf, member.type);
  if (pointer?.kind !== "ptr")
    throw malformed(`The definition of map ${map} is damaged.`, `Its member ${member.name} is no pointer.`);
  return pointer.type;
}

/** `__uint`: a pointer to an array of that length; `__ulong`: an enum of one value. */
function numberOf(btf: Btf, map: string, member: BtfMember): number {
  const type = underlying(btf, member.type);
  if (type?.kind === "enum" || type?.kind === "enum64") return Number(type.values[0]?.value ?? 0);
  const array = underlying(btf, pointee(btf, map, member));
  if (array?.kind !== "array")
    throw malformed(`The definition of map ${map} is damaged.`, `Its member ${member.name} is no pointer to an array.`);
  return array.length;
}
