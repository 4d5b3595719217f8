/**
 * Numbers that are written in the source must fit where they are put: `header.ttl = 256` is a slip of the pen, and would silently be 0.
 * What is computed wraps, as everywhere; so does a cast, which says so.
 */
import type ts from "typescript";
import { intTypeOf } from "./flavours.ts";
import type { Lowering } from "./lowering.ts";
import type { IntType, Value } from "./values.ts";

/** Reports a literal that `type` cannot hold. `type` is null where nothing says how wide the place is. */
export function checkLiteral(l: Lowering, node: ts.Node, value: Value, type: IntType | null): void {
  const solid = value.kind === "nullable" ? value.value : value;
  if (type === null || type.bits === 1 || solid.kind !== "int") return;
  checkBits(l, node, solid, type.bits, type.signed, `${type.signed ? "i" : "u"}${type.bits}`);
}

/** As `checkLiteral`, for a bit field. */
export function checkBitsLiteral(l: Lowering, node: ts.Node, value: Value, bits: number): void {
  checkBits(l, node, value, bits, false, bits === 1 ? "1 bit" : `${bits} bits`);
}

/** As `checkLiteral`, for what TypeScript says of a variable, a parameter or a result. */
export function checkDeclared(l: Lowering, node: ts.Node, value: Value, declared: ts.Type): void {
  checkLiteral(l, node, value, intTypeOf(l.checker, l.checker.getNonNullableType(declared)));
}

function checkBits(l: Lowering, node: ts.Node, value: Value, bits: number, signed: boolean, name: string): void {
  if (value.kind !== "int" || value.isLiteral !== true || value.ssa.op !== "const") return;
  const number = value.ssa.value;
  const least = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const most = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  if (number >= least && number <= most) return;
  const wrapped = signed ? BigInt.asIntN(bits, number) : BigInt.asUintN(bits, number);
  l.fail(node, "WS2085", {
    value: String(number),
    type: name,
    least: String(least),
    most: String(most),
    wrapped: String(wrapped),
    cast: `${signed ? "i" : "u"}${[8, 16, 32].find((width) => bits <= width) ?? 64}`,
  });
}
