/** What the codec is made of: one part per type, nested as the types are, and the errors of values that do not fit. */
import { WirescriptError } from "../../errors.ts";

/** How one type reads and writes at a place. `path` names the value in messages. */
export interface Part {
  size: number;
  /** As it is called in messages, e.g. "u32". */
  typeName: string;
  /** How many numbers, booleans and byte arrays a value holds. */
  leaves: number;
  read(view: DataView, at: number): unknown;
  /**
   * The same as a JavaScript expression over `view` and the expression `at`, for types that are read often; `bind` gives the name under which
   * a value of this program is known there.
   */
  source?(at: string, bind: (value: unknown) => string): string;
  /**
   * Statements that write the value of the variable `value` at the expression `at`, and `return false` where it does not fit: who calls them then
   * has `write` find out what is wrong.
   */
  sink?(value: string, at: string, bind: (value: unknown) => string): string;
  /** The bytes were zeroed before. */
  write(view: DataView, at: number, value: unknown, path: string): void;
}

/** Throws the error of a value that does not fit its type. */
export function badValue(path: string, why: string, fix: string): never {
  throw new WirescriptError({ code: "MAP", what: `${path} is not a valid value.`, why, fix });
}

/** A value in a message: short, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (value === null || typeof value !== "object") return String(value);
  return Array.isArray(value) ? `an array of ${value.length}` : `an object of ${value.constructor?.name ?? "no class"}`;
}
