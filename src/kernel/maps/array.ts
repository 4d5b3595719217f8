/** Arrays: all elements exist from the start, are zero, and are found by index from 0. */
import { u32 } from "../integers.ts";
import type { Given, Schema } from "../schema.ts";
import { declare, type KernelMap, type PerCpuLookup, type TableOptions, type UpdateMode } from "./map.ts";

interface Updatable<V extends Schema> {
  /** Overwrites the element; `false` when the index is out of range. */
  update(key: u32, value: Given<V>, mode?: UpdateMode): boolean;
}

export interface ArrayMap<V extends Schema> extends KernelMap<"array", typeof u32, V>, Updatable<V> {}

interface ArrayOptions<V extends Schema> extends TableOptions {
  value: V;
  /** User space can map it into its memory, and read and write it without system calls (BPF_F_MMAPABLE, Linux 5.5). */
  mmapable?: boolean;
  /**
   * For the arrays in a map of maps: each may have another number of elements, which `create` in user space is told; `entries` is
   * what they have otherwise (BPF_F_INNER_MAP, Linux 5.10).
   */
  anySize?: boolean;
}

/** An array shared by all CPUs. */
export function array<V extends Schema>(options: ArrayOptions<V>): ArrayMap<V> {
  return declare("array", u32, options.value, options);
}

export interface PerCpuArrayMap<V extends Schema>
  extends KernelMap<"perCpuArray", typeof u32, V>,
    Updatable<V>,
    PerCpuLookup<typeof u32, V> {}

/** An array with a copy for each CPU: counting needs no atomics, and user space sums the copies. */
export function perCpuArray<V extends Schema>(options: TableOptions & { value: V }): PerCpuArrayMap<V> {
  return declare("perCpuArray", u32, options.value, options);
}
