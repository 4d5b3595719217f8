/** Queues and stacks: values without keys, taken out in the order in which they were put in, or in the opposite one. */
import type { Given, Schema, View } from "../schema.ts";
import { kernelOnly, type MapOptions } from "./map.ts";

/** How `push` treats a queue or stack that is full: "any" fails, "overwrite" throws the oldest value out. */
export type PushMode = "any" | "overwrite";

interface Waiting<Kind extends string, V extends Schema> {
  readonly kind: Kind;
  readonly value: V;
  readonly options: MapOptions;
  /** Puts a value in; `false` when there is no room. */
  push(value: Given<V>, mode?: PushMode): boolean;
  /**
   * Takes out the next value; `null` when there is none. It is a copy on the program's stack, good until the same `pop` of the
   * source runs again.
   */
  pop(): View<V> | null;
  /** A copy of the value that `pop` would take out; `null` when there is none. */
  peek(): View<V> | null;
}

export interface QueueMap<V extends Schema> extends Waiting<"queue", V> {}
export interface StackMap<V extends Schema> extends Waiting<"stack", V> {}

function waiting<Kind extends string, V extends Schema>(
  kind: Kind,
  { value, entries, pinned }: MapOptions & { value: V },
): Waiting<Kind, V> {
  const options = { entries, pinned: pinned ?? false };
  return { kind, value, options, push: kernelOnly, pop: kernelOnly, peek: kernelOnly };
}

/** Values that are taken out first in, first out. Shared by all CPUs and user space (Linux 4.20). */
export function queue<V extends Schema>(options: MapOptions & { value: V }): QueueMap<V> {
  return waiting("queue", options);
}

/** Values that are taken out last in, first out. Shared by all CPUs and user space (Linux 4.20). */
export function stack<V extends Schema>(options: MapOptions & { value: V }): StackMap<V> {
  return waiting("stack", options);
}
