/** Bloom filters: sets that answer "surely not" or "probably", in little memory. Nothing can be taken out again. */
import type { Given, Schema } from "../schema.ts";
import { kernelOnly, type MapOptions } from "./map.ts";

export interface BloomFilterOptions<V extends Schema> extends MapOptions {
  value: V;
  /**
   * Hash functions, 1 to 15; 5 unless given. With about as many values as `entries`, 5 are wrong for some 3 of 100 values that are not in
   * the set; more are right more often, and slower.
   */
  hashes?: number;
}

export interface BloomFilterMap<V extends Schema> {
  readonly kind: "bloomFilter";
  readonly value: V;
  readonly options: MapOptions;
  /** Puts a value into the set. `false` when the kernel refused, which it has no reason to. */
  push(value: Given<V>): boolean;
  /** `false`: the value was surely not put in. `true`: it probably was. */
  has(value: Given<V>): boolean;
}

/** A set of values, shared by all CPUs and user space (Linux 5.16). `entries` is how many values it is made for; it takes more, and errs more. */
export function bloomFilter<V extends Schema>({ value, entries, pinned }: BloomFilterOptions<V>): BloomFilterMap<V> {
  return { kind: "bloomFilter", value, options: { entries, pinned: pinned ?? false }, push: kernelOnly, has: kernelOnly };
}
