/** What all maps have in common. A map is declared once, as a constant of a module, and shared by its programs and user space. */
import type { u32 } from "../integers.ts";
import type { Given, Schema, View } from "../schema.ts";

export interface MapOptions {
  /** The most elements that the map can hold. */
  entries: number;
  /** Share the map under its name in the loader's pin directory, so that counters survive a reload. */
  pinned?: boolean;
}

/** Options of maps that are looked up by key or index. */
export interface TableOptions extends MapOptions {
  /** Programs only read the map, and writing to it in a program is an error; user space fills it. */
  readOnly?: boolean;
}

/** What a lookup of another CPU's copy is, for the per-CPU types. */
export interface PerCpuLookup<K extends Schema, V extends Schema> {
  /** The copy that belongs to CPU `cpu`; `null` when there is no such element or CPU (Linux 5.19). */
  lookupPerCpu(key: Given<K>, cpu: u32): View<V> | null;
}

/** How `update` treats an existing element. */
export type UpdateMode = "any" | "noexist" | "exist";

export interface KernelMap<Kind extends string, K extends Schema, V extends Schema> {
  readonly kind: Kind;
  readonly key: K;
  readonly value: V;
  readonly options: MapOptions;
  /** A live reference to the element, or `null` when there is none. */
  lookup(key: Given<K>): View<V> | null;
}

/** A map whose elements are put and removed by key. */
export interface MutableMap<K extends Schema, V extends Schema> {
  /**
   * Puts an element; `false` when the map is full, or when `mode` is "noexist" and the key is there, or "exist" and it is not.
   * Fields that the literal leaves out do not compile: the whole value is written.
   */
  update(key: Given<K>, value: Given<V>, mode?: UpdateMode): boolean;
  /** Removes an element; `false` when there is none. */
  delete(key: Given<K>): boolean;
}

/** What a method of a declaration does when user space calls it. */
export const kernelOnly = (): never => {
  throw new Error("Maps of a kernel module are reached through load() in user space.");
};

/** The declaration as a value: what user space sees when it imports the module. */
export function declare<Kind extends string, K extends Schema, V extends Schema>(
  kind: Kind,
  key: K,
  value: V,
  { entries, pinned }: MapOptions,
): KernelMap<Kind, K, V> & MutableMap<K, V> & PerCpuLookup<K, V> {
  const options = { entries, pinned: pinned ?? false };
  return { kind, key, value, options, lookup: kernelOnly, lookupPerCpu: kernelOnly, update: kernelOnly, delete: kernelOnly };
}
