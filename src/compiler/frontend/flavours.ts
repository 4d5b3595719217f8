/** Reads integer widths off TypeScript types: the flavour of `u16` is a property that no value has, with the names it may hold. */
import ts from "./typescript.ts";
import { BOOL, type IntType } from "./values.ts";

const known = new WeakMap<ts.Type, IntType | null>();

/** The integer type that `type` says a value must fit, or `null` when it says none: plain `number`, actions, structs. */
export function intTypeOf(checker: ts.TypeChecker, type: ts.Type): IntType | null {
  const cached = known.get(type);
  if (cached !== undefined) return cached;
  const result = compute(checker, type);
  known.set(type, result);
  return result;
}

function compute(checker: ts.TypeChecker, type: ts.Type): IntType | null {
  if ((type.flags & ts.TypeFlags.BooleanLike) !== 0) return BOOL;
  const property = type.getProperties().find((symbol) => symbol.escapedName.toString().startsWith("__@flavour"));
  if (property === undefined) return null;
  const names = literalsOf(checker.getTypeOfSymbol(property));
  const signed = names.some((name) => name.startsWith("i"));
  const widths = names.filter((name) => name.startsWith("i") === signed).map((name) => Number(name.slice(1)));
  const bits = Math.max(...widths);
  return bits === 8 || bits === 16 || bits === 32 || bits === 64 ? { bits, signed } : null;
}

function literalsOf(type: ts.Type): string[] {
  if (type.isUnion()) return type.types.flatMap(literalsOf);
  return type.isStringLiteral() ? [type.value] : [];
}
