/**
 * Variables of a module: `let total: u64 = 0`, and `const state = global(Schema)` for structs and arrays. They lie in `.data` or `.bss`,
 * one memory for all programs, packets and CPUs, and user space. As in C, what was read stays known until something here may have changed
 * it: another CPU's writes are seen at the next read from memory.
 */

import { constantBytesOf } from "./constants.ts";
import { declarationOf } from "./declarations.ts";
import { lowerExpression, present } from "./expressions.ts";
import { intTypeOf } from "./flavours.ts";
import { SCALARS, type SizedLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { viewOf } from "./memory.ts";
import type { GlobalVariable } from "./module.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import ts from "./typescript.ts";
import type { Memory, Value } from "./values.ts";

export interface GlobalPlace {
  memory: Memory;
  layout: SizedLayout;
}

/** The place of a module-level `let`; `null` for any other declaration. Messages point at `node`, a use. */
export function globalPlace(l: Lowering, node: ts.Node, declaration: ts.Declaration | undefined): GlobalPlace | null {
  if (declaration === undefined || !isVariable(declaration)) return null;
  const { initializer } = declaration;
  const name = declaration.name.getText();
  if (initializer === undefined) return l.fail(declaration, "WS1019", { name });
  const layout = l.module.globals.get(declaration)?.layout ?? layoutOf(l, node, declaration, initializer);
  const bytes = constantBytesOf(l, initializer, layout, present(lowerExpression(l, initializer)));
  if (bytes === null) return l.fail(initializer, "WS3080", { name });
  return placeOf(l, l.module.global(declaration, name, layout, bytes));
}

/** `const state = global(Schema, value)`: a live view, as `lookup` gives one. */
export function declareGlobal(l: Lowering, node: ts.CallExpression): Value {
  const declaration = declarationOf(node);
  if (declaration === null) return l.fail(node, "WS3002", { kind: "A variable that packets share", call: "global" });
  const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 0)));
  const initial = node.arguments[1];
  const name = declaration.name.getText();
  const bytes =
    initial === undefined
      ? new Uint8Array(layout.size)
      : constantBytesOf(l, initial, layout, present(lowerExpression(l, initial)));
  if (bytes === null) return l.fail(initial ?? node, "WS3080", { name });
  const { memory } = placeOf(l, l.module.global(declaration, name, layout, bytes));
  return viewOf(memory, layout);
}

function isVariable(declaration: ts.Declaration): declaration is ts.VariableDeclaration & { name: ts.Identifier } {
  return (
    ts.isVariableDeclaration(declaration) &&
    ts.isIdentifier(declaration.name) &&
    ts.isSourceFile(declaration.parent.parent.parent) &&
    (declaration.parent.flags & ts.NodeFlags.Const) === 0
  );
}

/** An annotated integer or boolean, or a byte array as long as its first value. */
function layoutOf(l: Lowering, node: ts.Node, declaration: ts.VariableDeclaration, initializer: ts.Expression): SizedLayout {
  const type = intTypeOf(l.checker, l.checker.getTypeAtLocation(declaration.name));
  const name = type === null ? null : type.bits === 1 ? "bool" : `${type.signed ? "i" : "u"}${type.bits}`;
  const scalar = name === null ? undefined : SCALARS.get(name);
  if (scalar !== undefined) return scalar;
  const value = present(lowerExpression(l, initializer));
  if (value.kind === "bytes") return { kind: "bytes", size: value.length };
  return l.fail(node, "WS1019", { name: declaration.name.getText() });
}

function placeOf(l: Lowering, { section, offset, layout }: GlobalVariable): GlobalPlace {
  const pointer = l.builder.emit({ op: "data", type: "ptr", args: [], section, offset });
  return { memory: { pointer, offset: 0, region: "data" }, layout };
}
