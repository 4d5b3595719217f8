/** Data of a module beside its maps: constants that the loader can replace, and variables that packets share. */
import type { Given, Infer, Schema, View } from "./schema.ts";

/**
 * A setting with its default: `const port = setting(u16, 7999)`, at the top level of a module. The verifier sees its value as a
 * constant, so that what it rules out costs nothing.
 */
export function setting<S extends Schema>(_schema: S, value: Given<S>): Infer<S> {
  // An overlay's members are all there for TypeScript; in user space nobody reads them.
  return value as Infer<S>;
}

declare const schemaOf: unique symbol;

/** A variable that all packets, programs and CPUs share, and user space: `object.globals.state`. */
export type Global<S> = View<S> & { readonly [schemaOf]: S };

/** The schema of what `global` declares. */
export type SchemaOf<G> = G extends { readonly [schemaOf]: infer S } ? S : never;

/**
 * A struct or an array that all packets share: `const state = global(Schema)`, at the top level of a module, zero or `value` at first.
 * It is a live view, as `lookup` of a map gives one, without the check for `null`. Integers and booleans need no schema:
 * `let total: u64 = 0`.
 */
export function global<S extends Schema>(_schema: S, _value?: Given<S>): Global<S> {
  // In user space the declaration is only a type: the variable is reached through `load()`.
  return Object.freeze({}) as Global<S>;
}
