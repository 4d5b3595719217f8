/** Maps whose elements are maps: user space puts whole tables in and exchanges them at once. All have the same shape. */
import { u32 } from "../integers.ts";
import type { Given, Schema } from "../schema.ts";
import { kernelOnly, type MapOptions } from "./map.ts";
import type { RingBufferOptions } from "./ring-buffer.ts";

/** The types of maps that can be in another one. */
export type InnerMapKind =
  | "array"
  | "perCpuArray"
  | "hash"
  | "perCpuHash"
  | "lruHash"
  | "lruPerCpuHash"
  | "lpmTrie"
  | "queue"
  | "stack"
  | "bloomFilter"
  | "ringBuffer"
  | "devMap"
  | "devMapHash"
  | "cpuMap"
  | "xskMap";

export interface InnerMap {
  readonly kind: InnerMapKind;
  readonly options: MapOptions | RingBufferOptions;
}

interface MapInMap<Kind extends string, K extends Schema, I extends InnerMap> {
  readonly kind: Kind;
  readonly key: K;
  /** The shape of the maps in it. */
  readonly inner: I;
  readonly options: MapOptions;
  /** The map that user space has put there, or `null`. */
  lookup(key: Given<K>): I | null;
}

export interface ArrayOfMaps<I extends InnerMap> extends MapInMap<"arrayOfMaps", typeof u32, I> {}
export interface HashOfMaps<K extends Schema, I extends InnerMap> extends MapInMap<"hashOfMaps", K, I> {}

/**
 * Maps by index. `inner` is declared in place: `arrayOfMaps({ inner: hash({ key: be32, value: u32, entries: 64 }), entries: 8 })`.
 */
export function arrayOfMaps<I extends InnerMap>({ inner, entries, pinned }: MapOptions & { inner: I }): ArrayOfMaps<I> {
  return { kind: "arrayOfMaps", key: u32, inner, options: { entries, pinned: pinned ?? false }, lookup: kernelOnly };
}

/** Maps by key. */
export function hashOfMaps<K extends Schema, I extends InnerMap>({
  key,
  inner,
  entries,
  pinned,
}: MapOptions & { key: K; inner: I }): HashOfMaps<K, I> {
  return { kind: "hashOfMaps", key, inner, options: { entries, pinned: pinned ?? false }, lookup: kernelOnly };
}
