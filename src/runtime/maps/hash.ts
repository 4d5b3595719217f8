/** Hash tables in user space: the twins of `kernel/maps/hash.ts`, LRU ones included. */
import type { MapParts } from "./map.ts";
import { CopiesCodec, type PerCpuMethods, sumOf, sumsOf } from "./per-cpu.ts";
import { KeyedMap } from "./table.ts";

export class HashMap<K = unknown, V = unknown> extends KeyedMap<K, V> {
  readonly kind = "hash";
}

export class PerCpuHashMap<K = unknown, V = unknown> extends KeyedMap<K, V[], K, readonly V[]> implements PerCpuMethods<K, V> {
  readonly kind = "perCpuHash";
  readonly cpus: number;

  constructor(parts: MapParts) {
    const copies = new CopiesCodec(parts);
    super(parts, { key: parts.key, value: copies });
    this.cpus = copies.cpus;
  }

  sum(key: K): V {
    return sumOf(this, key);
  }

  sums(): Generator<[key: K, sum: V]> {
    return sumsOf(this);
  }
}
