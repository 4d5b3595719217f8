/** Which types of maps this kernel makes, and what it does with them: found out by making some. */

import { WirescriptError } from "../../errors.ts";
import { MAP_TYPE, type MapTypeName } from "../../object/spec.ts";
import { BPF, type MapCreate, type MapFd, mapCreate, mapLookupBatch } from "../../sys/bpf.ts";
import { pageSize } from "../../sys/page-size.ts";

const USUAL = { name: "probe", keySize: 4, valueSize: 4, maxEntries: 1, flags: 0 };

/** What is different from `USUAL`. */
function shapeOf(name: MapTypeName): Partial<MapCreate> {
  switch (name) {
    case "LPM_TRIE":
      return { keySize: 8, flags: BPF.BPF_F_NO_PREALLOC };
    case "QUEUE":
    case "STACK":
    case "BLOOM_FILTER":
      return { keySize: 0 };
    case "RINGBUF":
      return { keySize: 0, valueSize: 0, maxEntries: pageSize() };
    default:
      return {};
  }
}

/** By name, as in `enum bpf_map_type`: the types that XDP and TC use. */
export function probeMapTypes(): Record<MapTypeName, boolean> {
  using inner = create({ type: MAP_TYPE.HASH });
  const names = Object.keys(MAP_TYPE) as MapTypeName[];
  return Object.fromEntries(
    names.map((name) => {
      const isOuter = name === "ARRAY_OF_MAPS" || name === "HASH_OF_MAPS";
      using map = create({ type: MAP_TYPE[name], ...shapeOf(name), ...(isOuter && inner !== null && { innerLike: inner }) });
      return [name, map !== null];
    }),
  ) as Record<MapTypeName, boolean>; // every name got its entry
}

/** Many entries in one call (Linux 5.6). */
export function probeBatches(): boolean {
  using map = create({ type: MAP_TYPE.HASH });
  if (map === null) return false;
  const memory = () => new Uint8Array(4);
  const { result } = mapLookupBatch({ map, start: null, end: memory(), keys: memory(), values: memory(), count: 1 });
  // ENOENT: the map is empty.
  return result === 0 || result === -2;
}

/** Arrays that user space reads without system calls (Linux 5.5). */
export function probeMmap(): boolean {
  using map = create({ type: MAP_TYPE.ARRAY, flags: BPF.BPF_F_MMAPABLE });
  return map !== null;
}

function create(map: Partial<MapCreate> & { type: number }): MapFd | null {
  try {
    return mapCreate({ ...USUAL, ...map });
  } catch (error) {
    if (error instanceof WirescriptError) return null;
    throw error;
  }
}
