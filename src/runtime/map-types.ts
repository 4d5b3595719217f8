/** The types that the kernel has for a map's keys and values, as far as values can be read by them. */
import { WirescriptError } from "../errors.ts";
import type { KernelMapInfo } from "../sys/bpf.ts";
import { type Codec, mapCodecs } from "./maps/codecs.ts";
import { withSectionAsStruct } from "./maps/section-type.ts";
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
