/** Hash tables: elements are put and removed by key. */
import type { Schema } from "../schema.ts";
import { declare, type KernelMap, type MapOptions, type MutableMap } from "./map.ts";

interface KeyValue<K extends Schema, V extends Schema> extends MapOptions {
  key: K;
  value: V;
}

export interface HashMap<K extends Schema, V extends Schema> extends KernelMap<"hash", K, V>, MutableMap<K, V> {}

/** A hash table shared by all CPUs. When it is full, `update` of a new key gives `false`. */
export function hash<K extends Schema, V extends Schema>(options: KeyValue<K, V>): HashMap<K, V> {
  return declare("hash", options.key, options.value, options);
}

export interface PerCpuHashMap<K extends Schema, V extends Schema> extends KernelMap<"perCpuHash", K, V>, MutableMap<K, V> {}

/** A hash table whose values have a copy for each CPU. */
export function perCpuHash<K extends Schema, V extends Schema>(options: KeyValue<K, V>): PerCpuHashMap<K, V> {
  return declare("perCpuHash", options.key, options.value, options);
}

export interface LruHashMap<K extends Schema, V extends Schema> extends KernelMap<"lruHash", K, V>, MutableMap<K, V> {}

/** A hash table that forgets elements that were not used for long when it is full. */
export function lruHash<K extends Schema, V extends Schema>(options: KeyValue<K, V>): LruHashMap<K, V> {
  return declare("lruHash", options.key, options.value, options);
}

export interface LruPerCpuHashMap<K extends Schema, V extends Schema>
  extends KernelMap<"lruPerCpuHash", K, V>,
    MutableMap<K, V> {}

/** As `lruHash`, with a copy of each value for each CPU. */
export function lruPerCpuHash<K extends Schema, V extends Schema>(options: KeyValue<K, V>): LruPerCpuHashMap<K, V> {
  return declare("lruPerCpuHash", options.key, options.value, options);
}
