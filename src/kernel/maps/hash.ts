/** Hash tables: elements are put and removed by key. */
import type { Schema } from "../schema.ts";
import { declare, type KernelMap, type MutableMap, type PerCpuLookup, type TableOptions } from "./map.ts";

interface KeyValue<K extends Schema, V extends Schema> extends TableOptions {
  key: K;
  value: V;
}

interface HashOptions<K extends Schema, V extends Schema> extends KeyValue<K, V> {
  /** Take memory for elements when they are put in, not all of it at the start: for large tables that stay mostly empty. */
  noPrealloc?: boolean;
}

export interface HashMap<K extends Schema, V extends Schema> extends KernelMap<"hash", K, V>, MutableMap<K, V> {}

/** A hash table shared by all CPUs. When it is full, `update` of a new key gives `false`. */
export function hash<K extends Schema, V extends Schema>(options: HashOptions<K, V>): HashMap<K, V> {
  return declare("hash", options.key, options.value, options);
}

export interface PerCpuHashMap<K extends Schema, V extends Schema>
  extends KernelMap<"perCpuHash", K, V>,
    MutableMap<K, V>,
    PerCpuLookup<K, V> {}

/** A hash table whose values have a copy for each CPU. */
export function perCpuHash<K extends Schema, V extends Schema>(options: HashOptions<K, V>): PerCpuHashMap<K, V> {
  return declare("perCpuHash", options.key, options.value, options);
}

interface LruOptions<K extends Schema, V extends Schema> extends KeyValue<K, V> {
  /**
   * Each CPU forgets by what it used itself, and has its share of `entries` for what it puts in: CPUs that put elements in do not wait
   * for each other, and one of them is full earlier. All still find all elements (BPF_F_NO_COMMON_LRU, Linux 4.10).
   */
  perCpuLists?: boolean;
}

export interface LruHashMap<K extends Schema, V extends Schema> extends KernelMap<"lruHash", K, V>, MutableMap<K, V> {}

/** A hash table that forgets elements that were not used for long when it is full. */
export function lruHash<K extends Schema, V extends Schema>(options: LruOptions<K, V>): LruHashMap<K, V> {
  return declare("lruHash", options.key, options.value, options);
}

export interface LruPerCpuHashMap<K extends Schema, V extends Schema>
  extends KernelMap<"lruPerCpuHash", K, V>,
    MutableMap<K, V>,
    PerCpuLookup<K, V> {}

/** As `lruHash`, with a copy of each value for each CPU. */
export function lruPerCpuHash<K extends Schema, V extends Schema>(options: LruOptions<K, V>): LruPerCpuHashMap<K, V> {
  return declare("lruPerCpuHash", options.key, options.value, options);
}
