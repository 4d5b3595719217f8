/** The right class for a map's type. */
import { MAP_TYPE, type MapSpec } from "../../object/spec.ts";
import { VmFault } from "../fault.ts";
import { VmArray } from "./array.ts";
import { VmHash } from "./hash.ts";
import { VmLpmTrie } from "./lpm-trie.ts";
import type { VmMap } from "./map.ts";
import { VmMapOfMaps } from "./map-in-map.ts";
import { VmBloomFilter, VmQueue } from "./queue.ts";
import { VmRingBuffer } from "./ring-buffer.ts";

/** `cpus`: copies of an element in the per-CPU types. @throws VmFault for a type that the interpreter does not have. */
export function createVmMap(spec: MapSpec, cpus: number): VmMap {
  switch (spec.type) {
    case MAP_TYPE.ARRAY:
      return new VmArray(spec, 1);
    case MAP_TYPE.PERCPU_ARRAY:
      return new VmArray(spec, cpus);
    case MAP_TYPE.HASH:
    // What these hold is user space's business: to a program they answer whether a key is there.
    case MAP_TYPE.DEVMAP:
    case MAP_TYPE.DEVMAP_HASH:
    case MAP_TYPE.CPUMAP:
    case MAP_TYPE.XSKMAP:
    case MAP_TYPE.PROG_ARRAY:
      return new VmHash(spec, 1, false);
    case MAP_TYPE.PERCPU_HASH:
      return new VmHash(spec, cpus, false);
    case MAP_TYPE.LRU_HASH:
      return new VmHash(spec, 1, true);
    case MAP_TYPE.LRU_PERCPU_HASH:
      return new VmHash(spec, cpus, true);
    case MAP_TYPE.LPM_TRIE:
      return new VmLpmTrie(spec);
    case MAP_TYPE.QUEUE:
      return new VmQueue(spec, false);
    case MAP_TYPE.STACK:
      return new VmQueue(spec, true);
    case MAP_TYPE.BLOOM_FILTER:
      return new VmBloomFilter(spec);
    case MAP_TYPE.RINGBUF:
      return new VmRingBuffer(spec);
    case MAP_TYPE.ARRAY_OF_MAPS:
    case MAP_TYPE.HASH_OF_MAPS: {
      const { inner } = spec;
      if (inner === undefined) throw new VmFault(`It is not known what the maps in "${spec.name}" look like.`);
      return new VmMapOfMaps(spec, () => createVmMap(inner, cpus));
    }
    default:
      throw new VmFault(`The interpreter has no maps of type ${spec.type}, which "${spec.name}" is.`);
  }
}
