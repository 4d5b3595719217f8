/**
 * Where a field is: its place in the object's own types, by the path that the compiler noted, and in a type of the kernel, by
 * the names along that path.
 */
import { sizeOf, typeAt, underlying } from "../btf/layout.ts";
import type { Btf, BtfType, TypeLookup } from "../btf/types.ts";
import { malformed } from "../malformed.ts";
import { fieldsCompatible, isCompound } from "./compatible.ts";

export interface Place {
  /** From the start of the type from which the path begins. */
  bitOffset: number;
  typeId: number;
  /** 0 unless it is a bit field. */
  bitSize: number;
  /** Whether it is a member of a struct or union, and not an element or the type itself. */
  isMember: boolean;
}

/** One step of a path by names: a member, or an element of an array. */
export type Step = { name: string; typeId: number } | { index: number };

export interface LocalField {
  place: Place;
  /** The first step is an element of an imagined array of the type. Members without a name are passed over. */
  steps: Step[];
}

const DEPTH_LIMIT = 64;
/** Far more than any struct of a kernel has, unnamed ones in unnamed ones counted again. */
const MEMBER_LIMIT = 1 << 16;

/** @throws WirescriptError BAD_FILE when the path leads nowhere. */
export function localField(btf: Btf, typeId: number, path: readonly number[]): LocalField {
  const [first = 0, ...rest] = path;
  const steps: Step[] = [{ index: first }];
  let place: Place = { bitOffset: first * sizeOf(btf, typeId) * 8, typeId, bitSize: 0, isMember: false };
  let flexible = false;
  for (const index of rest) {
    const type = underlying(btf, place.typeId);
    if (isCompound(type)) {
      const member = type.members[index];
      if (member === undefined) throw leadsNowhere(typeId, path);
      place = inside(place, member.bitOffset, member.type, member.bitSize, true);
      flexible = member === type.members.at(-1);
      if (member.name !== "") steps.push({ name: member.name, typeId: member.type });
    } else if (type?.kind === "array") {
      // An array of no length at the end of a struct is as long as somebody made it.
      if (index >= type.length && !(flexible && type.length === 0)) throw leadsNowhere(typeId, path);
      place = inside(place, index * sizeOf(btf, type.type) * 8, type.type, 0, false);
      flexible = false;
      steps.push({ index });
    } else throw leadsNowhere(typeId, path);
  }
  return { place, steps };
}

function leadsNowhere(typeId: number, path: readonly number[]): Error {
  return malformed("A CO-RE relocation is damaged.", `Its path ${path.join(":")} leads nowhere in type ${typeId}.`);
}

function inside(outer: Place, bitOffset: number, typeId: number, bitSize: number, isMember: boolean): Place {
  return { bitOffset: outer.bitOffset + bitOffset, typeId, bitSize, isMember };
}

/** The field of the kernel's type `typeId` that `steps` name, or why there is none. */
export function targetField(local: Btf, steps: readonly Step[], target: TypeLookup, typeId: number): Place | { why: string } {
  let place: Place = { bitOffset: 0, typeId, bitSize: 0, isMember: false };
  let flexible = false;
  for (const [position, step] of steps.entries()) {
    const type = underlying(target, place.typeId);
    if ("name" in step) {
      const found = isCompound(type) ? findMember(target, place, type, step.name, { members: 0 }, 0) : null;
      if (found === null) return { why: `it has no member ${step.name}` };
      if (!fieldsCompatible(local, step.typeId, target, found.place.typeId))
        return { why: `its member ${step.name} is of another kind` };
      ({ place, last: flexible } = found);
      continue;
    }
    if (position > 0) {
      if (type?.kind !== "array") return { why: `element ${step.index} is asked for of what is no array` };
      if (step.index >= type.length && !(flexible && type.length === 0))
        return { why: `its array has ${type.length} elements, and number ${step.index} is asked for` };
      place = { ...place, typeId: type.type };
    }
    const offset = step.index === 0 ? 0 : step.index * sizeOf(target, place.typeId) * 8;
    place = inside(place, offset, place.typeId, 0, false);
    flexible = false;
  }
  return place;
}

interface Found {
  place: Place;
  last: boolean;
}

/** Members of unnamed structs and unions count as the outer's. */
function findMember(
  target: TypeLookup,
  outer: Place,
  type: Extract<BtfType, { kind: "struct" | "union" }>,
  name: string,
  walked: { members: number },
  depth: number,
): Found | null {
  walked.members += type.members.length;
  if (depth > DEPTH_LIMIT || walked.members > MEMBER_LIMIT) return null;
  for (const member of type.members) {
    const place = inside(outer, member.bitOffset, member.type, member.bitSize, true);
    if (member.name === name) return { place, last: member === type.members.at(-1) };
    const inner = member.name === "" ? typeAt(target, member.type) : undefined;
    const found = isCompound(inner) ? findMember(target, place, inner, name, walked, depth + 1) : null;
    if (found !== null) return found;
  }
  return null;
}
