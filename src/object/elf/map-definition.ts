/**
 * One map of the section `.maps`. Its definition is a BTF type alone: a variable of an anonymous struct, in which a number N
 * stands as a pointer to an array of N ints, and a type as a pointer to it. The section's bytes say nothing. Source: libbpf's
 * bpf_helpers.h.
 */
import { sizeOf, underlying } from "../btf/layout.ts";
import { LIBBPF_PIN_BY_NAME, recordTypeName } from "../btf/sections.ts";
import type { Btf, BtfMember } from "../btf/types.ts";
import { malformed, unsupported } from "../malformed.ts";
import { MAP_TYPE, type MapSpec } from "../spec.ts";

const MAPS_OF_MAPS = new Set<number>([MAP_TYPE.ARRAY_OF_MAPS, MAP_TYPE.HASH_OF_MAPS]);

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

/** The map `name`, defined by the struct `typeId`. @throws WirescriptError BAD_FILE naming the map and its member. */
export function readDefinition(btf: Btf, name: string, typeId: number, isInner = false): MapSpec {
  const struct = underlying(btf, typeId);
  if (struct?.kind !== "struct") throw damaged(name, "Its type is no struct.");
  if (struct.members.length > KNOWN_NUMBERS.size + 4) throw damaged(name, `It has ${struct.members.length} members.`);
  const numbers = new Map<string, number>();
  const types = new Map<string, number>();
  let values: BtfMember | null = null;
  for (const member of struct.members) {
    if (KNOWN_NUMBERS.has(member.name)) numbers.set(member.name, numberOf(btf, name, member));
    else if (member.name === "key" || member.name === "value") types.set(member.name, pointee(btf, name, member));
    else if (member.name === "values" && !isInner) values = member;
    else throw unknownMember(name, member.name);
  }
  const type = numbers.get("type");
  if (type === undefined) throw damaged(name, "It has no member `type`.");
  const inner = values === null ? null : readValues(btf, name, type, values);
  const pinning = numbers.get("pinning") ?? 0;
  if (pinning !== 0 && pinning !== LIBBPF_PIN_BY_NAME) throw damaged(name, `Its pinning is ${pinning}; there are 0 and 1.`);
  if (isInner && pinning !== 0) throw damaged(name, "Maps inside of maps cannot be pinned by their definition.");
  const numaNode = numbers.get("numa_node") ?? 0;
  return {
    name,
    type,
    keySize: sizeOfPart(btf, name, "key", types, numbers),
    // Maps and programs in maps are put there by their descriptors: libbpf does not ask for a size either.
    valueSize: sizeOfPart(btf, name, "value", types, numbers) || (values === null ? 0 : 4),
    maxEntries: numbers.get("max_entries") ?? 0,
    flags: numbers.get("map_flags") ?? 0,
    extra: numbers.get("map_extra") ?? 0,
    pinning: pinning === LIBBPF_PIN_BY_NAME ? "by-name" : "none",
    keyTypeId: types.get("key") ?? 0,
    valueTypeId: types.get("value") ?? 0,
    ...(numaNode !== 0 && { numaNode }),
    ...(inner !== null && { inner }),
  };
}

/** Gives ring buffers the types of their records, as `recordType` of `btf/sections.ts` has written them. */
export function addRecordTypes(btf: Btf, maps: readonly MapSpec[]): void {
  const buffers = new Map<string, MapSpec>();
  for (const map of maps)
    for (const each of map.inner === undefined ? [map] : [map, map.inner])
      if (each.type === MAP_TYPE.RINGBUF) buffers.set(recordTypeName(each.name), each);
  for (const type of btf.types) {
    const map = type.kind === "typedef" ? buffers.get(type.name) : undefined;
    if (map?.valueTypeId === 0 && type.kind === "typedef") map.valueTypeId = type.type;
  }
}

/**
 * `__array(values, struct { … })`: an array of no length of pointers, in maps of maps to the definition of the maps inside,
 * which is returned, and in program arrays to a function.
 */
function readValues(btf: Btf, map: string, type: number, member: BtfMember): MapSpec | null {
  const array = underlying(btf, member.type);
  const pointer = array?.kind === "array" && array.length === 0 ? underlying(btf, array.type) : undefined;
  if (pointer?.kind !== "ptr") throw damaged(map, "Its member values is no array of pointers.");
  if (MAPS_OF_MAPS.has(type)) return readDefinition(btf, `${map}.inner`, pointer.type, true);
  if (type === MAP_TYPE.PROG_ARRAY && underlying(btf, pointer.type)?.kind === "func_proto") return null;
  throw damaged(map, "Only maps of maps and arrays of programs have the member values.");
}

function unknownMember(map: string, member: string): Error {
  return unsupported(
    `The definition of map ${map} has the member ${member}.`,
    member === "values" ? "Maps inside of maps cannot have maps in them." : "Wirescript does not know it.",
    "Leave the member out, or load the object with bpftool.",
  );
}

function sizeOfPart(
  btf: Btf,
  map: string,
  part: "key" | "value",
  types: ReadonlyMap<string, number>,
  numbers: ReadonlyMap<string, number>,
): number {
  const typeId = types.get(part);
  const given = numbers.get(`${part}_size`);
  if (typeId === undefined) return given ?? 0;
  const size = sizeOf(btf, typeId);
  if (given === undefined || given === size) return size;
  throw damaged(map, `Its ${part}_size is ${given}, but the type of ${part} has ${size} bytes.`);
}

function pointee(btf: Btf, map: string, member: BtfMember): number {
  const pointer = underlying(btf, member.type);
  if (pointer?.kind !== "ptr") throw damaged(map, `Its member ${member.name} is no pointer.`);
  return pointer.type;
}

/** `__uint`: a pointer to an array of that length; `__ulong`: an enum of one value. */
function numberOf(btf: Btf, map: string, member: BtfMember): number {
  const type = underlying(btf, member.type);
  if (type?.kind === "enum" || type?.kind === "enum64") return Number(type.values[0]?.value ?? 0);
  const array = underlying(btf, pointee(btf, map, member));
  if (array?.kind !== "array") throw damaged(map, `Its member ${member.name} is no pointer to an array.`);
  return array.length;
}

function damaged(map: string, why: string): Error {
  return malformed(`The definition of map ${map} is damaged.`, why);
}
