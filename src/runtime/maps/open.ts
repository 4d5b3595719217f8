/** From a descriptor to the class that fits the map's type. */
import { MAP_TYPE } from "../../object/spec.ts";
import { ArrayMap, PerCpuArrayMap } from "./array.ts";
import { BloomFilterMap } from "./bloom-filter.ts";
import { HashMap, PerCpuHashMap } from "./hash.ts";
import { LpmTrieMap } from "./lpm-trie.ts";
import { type MapParts, OpaqueMap } from "./map.ts";
import { MapOfMaps } from "./map-in-map.ts";
import { PerfEventArray } from "./perf-event-array.ts";
import { QueueMap, StackMap } from "./queue.ts";
import { RingBufferMap } from "./ring-buffer.ts";
import { CpuMap, DevMap, ProgArray, XskMap } from "./targets.ts";

/** Any loaded map; `kind` tells which. */
export type LoadedMap =
  | HashMap<unknown, unknown>
  | ArrayMap<unknown>
  | PerCpuHashMap<unknown, unknown>
  | PerCpuArrayMap<unknown>
  | QueueMap<unknown>
  | StackMap<unknown>
  | BloomFilterMap<unknown>
  | LpmTrieMap<unknown, unknown>
  | DevMap
  | CpuMap
  | XskMap
  | ProgArray
  | RingBufferMap<unknown>
  | PerfEventArray
  | MapOfMaps<unknown>
  | OpaqueMap;

export function openMap(parts: MapParts): LoadedMap {
  switch (parts.type) {
    case MAP_TYPE.HASH:
    case MAP_TYPE.LRU_HASH:
      return new HashMap(parts);
    case MAP_TYPE.LPM_TRIE:
      return new LpmTrieMap(parts);
    case MAP_TYPE.DEVMAP:
    case MAP_TYPE.DEVMAP_HASH:
      return new DevMap(parts);
    case MAP_TYPE.CPUMAP:
      return new CpuMap(parts);
    case MAP_TYPE.XSKMAP:
      return new XskMap(parts);
    case MAP_TYPE.PROG_ARRAY:
      return new ProgArray(parts);
    case MAP_TYPE.ARRAY:
      return new ArrayMap(parts);
    case MAP_TYPE.PERCPU_HASH:
    case MAP_TYPE.LRU_PERCPU_HASH:
      return new PerCpuHashMap(parts);
    case MAP_TYPE.PERCPU_ARRAY:
      return new PerCpuArrayMap(parts);
    case MAP_TYPE.QUEUE:
      return new QueueMap(parts);
    case MAP_TYPE.STACK:
      return new StackMap(parts);
    case MAP_TYPE.BLOOM_FILTER:
      return new BloomFilterMap(parts);
    case MAP_TYPE.ARRAY_OF_MAPS:
    case MAP_TYPE.HASH_OF_MAPS:
      return new MapOfMaps(parts);
    case MAP_TYPE.RINGBUF:
      return new RingBufferMap(parts);
    case MAP_TYPE.PERF_EVENT_ARRAY:
      return new PerfEventArray(parts);
    default:
      return new OpaqueMap(parts);
  }
}
