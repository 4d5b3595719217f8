/**
 * Declarations of what is in an object that clang built, as `wirescript types FILE.o` writes them: `load<typeof Module>()`
 * reads them as it reads the exports of a kernel module.
 */
import type { MapOptions, Program, RingBufferOptions, Schema } from "../kernel/index.ts";

/** `Hook` is "xdp"; a section for TC does not say which of its hooks is meant. */
export type ObjectProgram<Hook extends string = string> = Program<Hook>;

/** A map with keys. */
export interface ObjectMap<Kind extends string, K, V> {
  readonly kind: Kind;
  readonly key: Schema<K, K>;
  readonly value: Schema<V, V>;
  readonly options: MapOptions;
}

/** A map without keys. */
export interface ObjectValues<Kind extends string, V> {
  readonly kind: Kind;
  readonly value: Schema<V, V>;
  readonly options: MapOptions;
}

/** A buffer of records that nothing describes. */
export interface ObjectRecords<Kind extends string> {
  readonly kind: Kind;
  readonly options: RingBufferOptions;
}

export interface ObjectMapOfMaps<Kind extends string, K, Inner> {
  readonly kind: Kind;
  readonly key: Schema<K, K>;
  readonly inner: Inner;
  readonly options: MapOptions;
}

/** A global variable, or a setting. */
export interface ObjectVariable<T> {
  readonly objectVariable: T;
}
