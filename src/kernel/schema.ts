/**
 * Schemas: one definition gives a type's layout, its view in a kernel module, its form in user space, and its BTF.
 *
 * In a kernel module they are read by the compiler and never run. In user space they are ordinary values, so that importing a
 * kernel module is harmless.
 */

import type { FlavourOf } from "./integers.ts";

/** A schema for values that are `K` in a kernel module and `U` in user space. */
export interface Schema<K = unknown, U = unknown> {
  /** Bytes. */
  readonly size: number;
  /** Only for the type system: never there at run time. */
  readonly kernel?: K;
  /** Only for the type system: never there at run time. */
  readonly user?: U;
}

/** The type of a schema's values in a kernel module. */
export type Infer<S> = S extends { readonly kernel?: infer K } ? Exclude<K, undefined> : never;

/** The type of a schema's values in user space: 64-bit integers are bigints, byte arrays are `Uint8Array`s. */
export type User<S> = S extends { readonly user?: infer U } ? Exclude<U, undefined> : never;

/** A place in memory that holds one integer or boolean. */
export interface Ref<T> {
  value: T;
}

/** What `at` and `lookup` give: a struct or byte array is reached through itself, a scalar through `value`. */
export type View<S> = Infer<S> extends number | boolean ? Ref<Infer<S>> : Infer<S>;

/** A fixed number of bytes with value semantics: assigning copies, `equals` compares all of them. */
export interface Bytes<N extends number> {
  readonly length: N;
  [index: number]: number;
  equals(other: Bytes<N>): boolean;
  [Symbol.iterator](): Iterator<number>;
}

export interface BytesSchema<N extends number> extends Schema<Bytes<N>, Uint8Array> {
  /** A constant of this type: `mac(0x02, 0, 0, 0, 0, 1)`. Missing bytes are 0. */
  (...values: number[]): Bytes<N>;
  readonly size: N;
}

/** A field of `n` bytes, for example a MAC address (6) or an IPv6 address (16). */
export function bytes<const N extends number>(n: N): BytesSchema<N> {
  const make = (...values: number[]): Bytes<N> => {
    const array = new Uint8Array(n);
    array.set(values);
    return Object.assign(array as Uint8Array & { length: N }, {
      equals: (other: Bytes<N>) => array.every((byte, index) => byte === other[index]),
    });
  };
  return Object.assign(make, { size: n });
}

export interface BitsSchema<N extends number> extends Schema<number, number> {
  readonly bits: N;
}

/** A field of `n` bits, 1 to 32. Bit fields stand in wire order, most significant first, and fill whole bytes together. */
export function bits<const N extends number>(n: N): BitsSchema<N> {
  return { size: n / 8, bits: n };
}

/**
 * A fixed number of elements in a row: `list[i]` reads, writes, or gives a view; `for (const element of list)` goes through them. A
 * literal for one has exactly as many elements: `[1, 2, 3, 4]`.
 */
export interface Elements<K, N extends number> {
  readonly length: N;
  // The first element has a name, so that TypeScript takes a literal for one as a tuple, and counts.
  0: K;
  [index: number]: K;
  [Symbol.iterator](): Iterator<K>;
}

export interface ArraySchema<E extends Schema, N extends number>
  extends Schema<Elements<Infer<E>, N>, IsByte<E> extends true ? Uint8Array : User<E>[]> {
  readonly element: E;
  readonly length: N;
}

/** Bytes are a `Uint8Array` in user space, however the schema spells them. */
type IsByte<E> = "u8" extends FlavourOf<Infer<E>> ? (FlavourOf<Infer<E>> extends "u8" | undefined ? true : false) : false;

/**
 * An array of `length` elements of any schema, one after the other: `struct({ slots: arrayOf(u32, 4) })`. (`array` is the map.)
 * An index must be a constant below the length, or provably below it: `i % 4`, `i & 3`, or what `if (i < 4)` has let through.
 */
export function arrayOf<E extends Schema, const N extends number>(element: E, length: N): ArraySchema<E, N> {
  return { size: element.size * length, element, length };
}

export type Fields = Record<string, Schema>;

export interface Struct<F extends Fields>
  extends Schema<{ -readonly [K in keyof F]: Infer<F[K]> }, { -readonly [K in keyof F]: User<F[K]> }> {
  readonly fields: F;
}

/**
 * A packed sequence of fields in wire order, without padding: `struct({ dst: mac, src: mac, type: be16 })`.
 * Its view in a kernel module reads and writes the memory it lies over.
 */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  const size = Object.values(fields).reduce((sum, field) => sum + field.size, 0);
  return Object.freeze({ size, fields });
}

/** Each of several schemas over the same bytes; in user space one of them is given, and all are read. */
export interface Overlay<F extends Fields>
  extends Schema<{ -readonly [K in keyof F]: Infer<F[K]> }, { -readonly [K in keyof F]?: User<F[K]> }> {
  readonly members: F;
}

/**
 * One place in memory under several schemas, as a union of C: `overlay({ v4: be32, v6: bytes(16) })`. It is as long as the longest; all begin
 * at its first byte. A literal names one of them, and the bytes that this one leaves are zero.
 */
export function overlay<const F extends Fields>(members: F): Overlay<F> {
  const size = Math.max(...Object.values(members).map((member) => member.size));
  return Object.freeze({ size, members });
}

/** What a literal for the schema may be: of an overlay, one of its members. */
type LiteralOf<S> =
  S extends Overlay<infer F>
    ? { [K in keyof F]: { [P in K]: LiteralOf<F[P]> } }[keyof F]
    : S extends Struct<infer F>
      ? { [K in keyof F]: LiteralOf<F[K]> }
      : S extends ArraySchema<infer E, infer N>
        ? Elements<LiteralOf<E>, N>
        : Infer<S>;

/** What can be given where a value of the schema is wanted: a view or a value of it, or a literal. */
export type Given<S> = Infer<S> | LiteralOf<S>;
