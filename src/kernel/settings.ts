/** Constants that the loader can replace before the program is verified: `load(file, { settings: { port: 53 } })`. */
import type { Infer, Schema } from "./schema.ts";

/**
 * A setting with its default: `const port = setting(u16, 7999)`, at the top level of a module. The verifier sees its value as a
 * constant, so that what it rules out costs nothing.
 */
export function setting<S extends Schema>(_schema: S, value: Infer<S>): Infer<S> {
  return value;
}
