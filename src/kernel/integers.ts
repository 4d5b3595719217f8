/**
 * Integers as TypeScript types and as schemas. A flavour is the union of what the type may hold, so a narrower integer flows
 * into a wider one, and the way back needs a cast such as `u16(x)`. Literals and arithmetic flow freely.
 */
import type { Schema } from "./schema.ts";

declare const flavour: unique symbol;
type Int<N extends string> = number & { readonly [flavour]?: N };

/** The names of the integer types that a `T` may hold; `never` for other numbers. */
export type FlavourOf<T> = T extends { readonly [flavour]?: infer N } ? N : never;

export type u8 = Int<"u8">;
export type u16 = Int<"u8" | "u16">;
export type u32 = Int<"u8" | "u16" | "u32">;
export type u64 = Int<"u8" | "u16" | "u32" | "u64">;
export type i8 = Int<"i8">;
export type i16 = Int<"i8" | "i16" | "u8">;
export type i32 = Int<"i8" | "i16" | "i32" | "u8" | "u16">;
export type i64 = Int<"i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32">;
/** A 16-bit integer in host order; as a schema, one that lies in memory in network byte order. */
export type be16 = u16;
/** A 32-bit integer in host order; as a schema, one that lies in memory in network byte order. */
export type be32 = u32;
/** A 64-bit integer in host order; as a schema, one that lies in memory in network byte order. */
export type be64 = u64;

/** An integer type: a schema for fields, keys and values, and the cast that wraps a number at its width. */
export interface Scalar<K, U = number> extends Schema<K, U> {
  (value: number | bigint): K;
}

function scalar<K, U>(size: number, signed: boolean): Scalar<K, U> {
  const wrap = signed ? BigInt.asIntN : BigInt.asUintN;
  const cast = (value: number | bigint) => Number(wrap(size * 8, BigInt(value))) as K;
  return Object.assign(cast, { size });
}

export const u8: Scalar<u8> = scalar(1, false);
export const u16: Scalar<u16> = scalar(2, false);
export const u32: Scalar<u32> = scalar(4, false);
export const u64: Scalar<u64, bigint> = scalar(8, false);
export const i8: Scalar<i8> = scalar(1, true);
export const i16: Scalar<i16> = scalar(2, true);
export const i32: Scalar<i32> = scalar(4, true);
export const i64: Scalar<i64, bigint> = scalar(8, true);
export const be16: Scalar<be16> = scalar(2, false);
export const be32: Scalar<be32> = scalar(4, false);
export const be64: Scalar<be64, bigint> = scalar(8, false);
/** One byte that is true or false. */
export const bool: Schema<boolean, boolean> = { size: 1 };
