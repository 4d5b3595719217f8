/** The number that a relocation is about, once it is known which field, type or enumerator it means. */
import { sizeOf, underlying } from "../btf/layout.ts";
import type { Btf, TypeLookup } from "../btf/types.ts";
import { isEnum } from "./compatible.ts";
import type { Place } from "./place.ts";
import type { CoreKind } from "./relocation.ts";

type Types = Btf | TypeLookup;

export interface FieldValue {
  value: bigint;
  /** Of a field that instructions read and write as a whole: how wide it is, and of which type. */
  access?: { size: number; typeId: number };
}

const LARGEST_LOAD = 8;

/**
 * `undefined` when the question makes no sense for the field: the sign of an element, or a bit field that no load can reach.
 * Bit fields are read with a load of 1 to 8 bytes that has all of them, then shifted left and right. Hosts are little-endian.
 */
export function fieldValue(types: Types, place: Place, kind: CoreKind): FieldValue | undefined {
  if (kind === "field_exists") return { value: 1n };
  const type = underlying(types, place.typeId);
  if (!place.isMember) {
    const size = sizeOf(types, place.typeId);
    if (kind === "field_byte_offset") return { value: BigInt(place.bitOffset / 8), access: { size, typeId: place.typeId } };
    return kind === "field_byte_size" ? { value: BigInt(size) } : undefined;
  }
  const load = place.bitSize === 0 ? wholeField(types, place) : loadOfBits(sizeOf(types, place.typeId), place);
  if (load === null) return undefined;
  const bitSize = place.bitSize || load.size * 8;
  switch (kind) {
    case "field_byte_offset":
      return {
        value: BigInt(load.offset),
        ...(place.bitSize === 0 && { access: { size: load.size, typeId: place.typeId } }),
      };
    case "field_byte_size":
      return { value: BigInt(load.size) };
    case "field_signed":
      return { value: BigInt(isEnum(type) || (type?.kind === "int" && type.encoding === "signed")) };
    case "field_lshift_u64":
      return { value: BigInt(64 - (place.bitOffset + bitSize - load.offset * 8)) };
    case "field_rshift_u64":
      return { value: BigInt(64 - bitSize) };
    default:
      return undefined;
  }
}

function wholeField(types: Types, { typeId, bitOffset }: Place): { offset: number; size: number } {
  return { offset: Math.floor(bitOffset / 8), size: sizeOf(types, typeId) };
}

function loadOfBits(declaredSize: number, { bitOffset, bitSize }: Place): { offset: number; size: number } | null {
  for (let size = declaredSize; size <= LARGEST_LOAD; size *= 2) {
    const offset = Math.floor(bitOffset / 8 / size) * size;
    if (bitOffset + bitSize <= (offset + size) * 8) return { offset, size };
    if (size === 0) break;
  }
  return null;
}
