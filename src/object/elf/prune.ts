/**
 * Takes the types that describe sections out of an object's BTF: VARs, DATASECs and map definitions. An `ObjectSpec` says what they say in
 * plain fields, and `btf/sections.ts` makes them anew. In objects of our own they are the last types, so that the ids of all others stay.
 */
import { typeAt, underlying } from "../btf/layout.ts";
import { referencedTypes, renumber } from "../btf/references.ts";
import { recordTypeName } from "../btf/sections.ts";
import type { Btf, BtfType } from "../btf/types.ts";
import { LICENSE_SECTION, MAPS_SECTION } from "./format.ts";

export interface PrunedBtf {
  /** `null` when nothing is left. */
  btf: Btf | null;
  /** The id that a type has now. */
  newId(id: number): number;
}

/** `used` are the ids that the spec names: they stay. */
export function pruneSections(btf: Btf, used: readonly number[]): PrunedBtf {
  const candidates = new Set<number>();
  const recordTypes = new Set<string>();
  btf.types.forEach((type, index) => {
    if (describesSection(btf, type)) candidates.add(index + 1);
    if (type.kind === "datasec" && type.name === MAPS_SECTION) {
      for (const variable of type.variables) {
        addDefinition(btf, variable.type, candidates);
        const map = typeAt(btf, variable.type);
        if (map?.kind === "var") for (const name of [map.name, `${map.name}.inner`]) recordTypes.add(recordTypeName(name));
      }
    }
    if (type.kind === "datasec" && type.name === LICENSE_SECTION)
      for (const variable of type.variables) addTypes(btf, variable.type, candidates);
  });

  btf.types.forEach((type, index) => {
    if (type.kind === "typedef" && recordTypes.has(type.name)) candidates.add(index + 1);
  });

  const kept = new Set<number>();
  const pending = [...used];
  btf.types.forEach((_, index) => {
    if (!candidates.has(index + 1)) pending.push(index + 1);
  });
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const type = typeAt(btf, id);
    if (type === undefined || kept.has(id)) continue;
    kept.add(id);
    pending.push(...referencedTypes(type).filter((other) => !kept.has(other)));
  }

  const ids = new Map<number, number>([[0, 0]]);
  const types: BtfType[] = [];
  btf.types.forEach((type, index) => {
    if (kept.has(index + 1)) ids.set(index + 1, types.push(type));
  });
  const newId = (id: number) => ids.get(id) ?? 0;
  return { btf: types.length === 0 ? null : { types: types.map((type) => renumber(type, newId)) }, newId };
}

function describesSection(btf: Btf, type: BtfType): boolean {
  if (type.kind === "var" || type.kind === "datasec") return true;
  // Declarations of what others define: the kernel refuses them, and nothing in the object is of that type.
  if (type.kind === "func") return type.linkage === "extern";
  if (type.kind !== "decl_tag") return false;
  const tagged = typeAt(btf, type.type);
  return tagged?.kind === "var" || (tagged?.kind === "func" && tagged.linkage === "extern");
}

/** The struct that defines a map, and what its members' types are made of, except the types of key and value themselves. */
function addDefinition(btf: Btf, variableId: number, candidates: Set<number>): void {
  const variable = typeAt(btf, variableId);
  if (variable?.kind === "var") addStruct(btf, variable.type, candidates);
}

function addStruct(btf: Btf, structId: number, candidates: Set<number>, isInner = false): void {
  if (candidates.has(structId)) return;
  candidates.add(structId);
  const struct = underlying(btf, structId);
  if (struct?.kind !== "struct") return;
  for (const member of struct.members) {
    if (member.name === "key" || member.name === "value") candidates.add(member.type);
    else addTypes(btf, member.type, candidates);
    // Maps of maps: the definition of those is behind an array of pointers.
    const array = member.name === "values" ? typeAt(btf, member.type) : undefined;
    const pointer = array?.kind === "array" ? typeAt(btf, array.type) : undefined;
    if (pointer?.kind === "ptr" && !isInner) addStruct(btf, pointer.type, candidates, true);
  }
}

/** A type and all it is made of, as long as that is a plain chain of pointers, arrays and integers. */
function addTypes(btf: Btf, id: number, candidates: Set<number>): void {
  const pending = [id];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const type = typeAt(btf, at);
    if (type === undefined || !["var", "ptr", "array", "int"].includes(type.kind)) continue;
    if (candidates.has(at) && type.kind !== "var") continue;
    candidates.add(at);
    pending.push(...referencedTypes(type));
  }
}
