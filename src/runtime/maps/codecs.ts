/** How keys and values become bytes: by their BTF types where the object has some, else they stay bytes. */
import { WirescriptError } from "../../errors.ts";
import { codec } from "../../object/btf/codec.ts";
import type { Btf } from "../../object/btf/types.ts";
import { MAP_TYPE, type MapSpec } from "../../object/spec.ts";

export interface Codec<T = unknown> {
  /** Bytes. */
  readonly size: number;
  decode(bytes: Uint8Array, offset?: number): T;
  encode(value: T, into: Uint8Array, offset?: number): void;
}

/** Bytes as they are. */
export function bytesCodec(size: number): Codec<Uint8Array> {
  return {
    size,
    decode: (bytes, offset = 0) => bytes.slice(offset, offset + size),
    encode: (value, into, offset = 0) => {
      if (!(value instanceof Uint8Array) || value.length !== size) {
        throw new WirescriptError({
          code: "MAP",
          what: `A Uint8Array of ${size} bytes is needed, not ${describe(value)}.`,
          why: "The object has no BTF types for this map, so keys and values are plain bytes.",
          fix: "Give the bytes as they lie in memory, or build the object with BTF (clang -g).",
        });
      }
      into.set(value, offset);
    },
  };
}

/** An index in host order: what every array's key is, with or without types. */
export const indexCodec: Codec<number> = {
  size: 4,
  decode: (bytes, offset = 0) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true),
  encode: (value, into, offset = 0) => {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
      throw new WirescriptError({
        code: "MAP",
        what: `${describe(value)} is no index.`,
        why: "The key of an array is an integer from 0 to 2^32 - 1.",
        fix: "Use a number such as 0.",
      });
    }
    new DataView(into.buffer, into.byteOffset).setUint32(offset, value, true);
  },
};

const INDEXED = new Set<number>([
  MAP_TYPE.ARRAY,
  MAP_TYPE.PERCPU_ARRAY,
  MAP_TYPE.PROG_ARRAY,
  MAP_TYPE.ARRAY_OF_MAPS,
  MAP_TYPE.DEVMAP,
  MAP_TYPE.CPUMAP,
  MAP_TYPE.XSKMAP,
]);

/** The codec for keys that have no BTF type. */
export function untypedKeyCodec(mapType: number, keySize: number): Codec {
  // The codec of an index takes and gives numbers; the map's own type parameter says so where the type is known.
  return (INDEXED.has(mapType) && keySize === 4 ? indexCodec : bytesCodec(keySize)) as Codec;
}

/** Codecs by the map's BTF types; bytes where it has none. */
export function mapCodecs(
  map: Pick<MapSpec, "type" | "keySize" | "valueSize" | "keyTypeId" | "valueTypeId">,
  btf: Btf | null,
): { key: Codec; value: Codec } {
  return {
    key: btf === null || map.keyTypeId === 0 ? untypedKeyCodec(map.type, map.keySize) : codec(btf, map.keyTypeId, "key"),
    // A codec of bytes takes and gives Uint8Arrays.
    value: btf === null || map.valueTypeId === 0 ? (bytesCodec(map.valueSize) as Codec) : codec(btf, map.valueTypeId),
  };
}

function describe(value: unknown): string {
  if (value instanceof Uint8Array) return `one of ${value.length} bytes`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
