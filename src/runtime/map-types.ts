/** The types that the kernel has for a map's keys and values, as far as values can be read by them. */
import { WirescriptError } from "../errors.ts";
import { typeAt } from "../object/btf/layout.ts";
import type { Btf } from "../object/btf/types.ts";
import type { KernelMapInfo } from "../sys/bpf.ts";
import { type Codec, mapCodecs } from "./maps/codecs.ts";
import { readBtf } from "./pinned-map.ts";
import type { ValueType } from "./value-text.ts";

export interface MapTypes {
  /** Null when keys are indexes or bytes. */
  key: ValueType | null;
  /** Null when values are bytes. */
  value: ValueType | null;
  codecs: { key: Codec; value: Codec };
}

/** What cannot be read (types of newer kernels, floats) counts as untyped: bytes are better than nothing. */
export function mapTypes(info: KernelMapInfo): MapTypes {
  const untyped = { key: null, value: null, codecs: mapCodecs({ ...info, keyTypeId: 0, valueTypeId: 0 }, null) };
  if (info.btfId === 0) return untyped;
  try {
    const { btf, id } = withSectionAsStruct(readBtf(info.btfId), info.valueTypeId);
    const typed = (typeId: number) => (typeId === 0 ? null : { btf, id: typeId });
    return { key: typed(info.keyTypeId), value: typed(id), codecs: mapCodecs({ ...info, valueTypeId: id }, btf) };
  } catch (error) {
    if (error instanceof WirescriptError && (error.code === "MAP" || error.code === "BAD_FILE")) return untyped;
    throw error;
  }
}

/** Global data is one value whose type lists variables; that is a struct for who reads it. */
function withSectionAsStruct(btf: Btf, id: number): { btf: Btf; id: number } {
  const type = typeAt(btf, id);
  if (type?.kind !== "datasec") return { btf, id };
  const members = type.variables.flatMap(({ type: variable, offset }) => {
    const each = typeAt(btf, variable);
    return each?.kind === "var" ? [{ name: each.name, type: each.type, bitOffset: offset * 8, bitSize: 0 }] : [];
  });
  const types = [...btf.types, { kind: "struct" as const, name: type.name, size: type.size, members }];
  return { btf: { types }, id: types.length };
}
