/** Ring buffers: records on their way to user space, in the order in which they were reserved, from all CPUs. */
import type { u64 } from "../integers.ts";
import type { Given, Schema, View } from "../schema.ts";
import { kernelOnly } from "./map.ts";

export interface RingBufferOptions {
  /** Room for records, each with 8 bytes in front of it: a power of two, and a multiple of the page size (4096). */
  bytes: number;
  /** Share the ring buffer under its name in the loader's pin directory. */
  pinned?: boolean;
}

/**
 * Whether a waiting reader is woken: "auto", when it has read everything before; "never", since a later record will; "always".
 * Source: BPF_RB_NO_WAKEUP and BPF_RB_FORCE_WAKEUP of linux/bpf.h.
 */
export type WakeUp = "auto" | "never" | "always";

/** What `query` tells, in bytes: unread data, the size, and how much was ever read and written. */
export type RingBufferProperty = "availableData" | "ringSize" | "consumerPosition" | "producerPosition";

/** A ring buffer whose records have no schema of their own: each is reserved with one. */
export interface UntypedRingBufferMap {
  readonly kind: "ringBuffer";
  readonly options: RingBufferOptions;
  /** As `reserve` of a typed ring buffer, for a record of `schema`. */
  reserve<S extends Schema>(schema: S): View<S> | null;
  /** Hands a reserved record to user space. The view is dead afterwards. */
  submit(record: object, wakeUp?: WakeUp): void;
  /** Gives a reserved record up: nobody will see it. The view is dead afterwards. */
  discard(record: object, wakeUp?: WakeUp): void;
  /** What the kernel knows at this moment; other CPUs may have changed it by the time it is used. */
  query(what: RingBufferProperty): u64;
}

export interface RingBufferMap<V extends Schema> extends UntypedRingBufferMap {
  readonly value: V;
  /**
   * Room for a record in the ring buffer itself; `null` when there is none. Its bytes are those of an old record until they are
   * written. On every path it must be submitted or discarded, once.
   */
  reserve(): View<V> | null;
  reserve<S extends Schema>(schema: S): View<S> | null;
  /** Copies `value` into the ring buffer, in one step; `false` when there is no room. `reserve` saves the copy. */
  output(value: Given<V>, wakeUp?: WakeUp): boolean;
}

/**
 * A ring buffer shared by all CPUs (Linux 5.8). With `value`, its records have that schema; without, every `reserve` names one, and user
 * space gets bytes.
 */
export function ringBuffer<V extends Schema>(options: RingBufferOptions & { value: V }): RingBufferMap<V>;
export function ringBuffer(options: RingBufferOptions): UntypedRingBufferMap;
export function ringBuffer({ bytes, pinned, value }: RingBufferOptions & { value?: Schema }): UntypedRingBufferMap {
  const options = { bytes, pinned: pinned ?? false };
  const methods = { reserve: kernelOnly, submit: kernelOnly, discard: kernelOnly, output: kernelOnly, query: kernelOnly };
  return { kind: "ringBuffer", options, ...(value !== undefined && { value }), ...methods };
}
