/** What module-level names mean: constants, functions, schemas and maps. Nothing of a module runs; all of it is known beforehand. */

import { lowerExpression } from "./expressions.ts";
import { globalPlace } from "./globals.ts";
import type { Lowering } from "./lowering.ts";
import { load } from "./memory.ts";
import { Abort } from "./reporter.ts";
import ts from "./typescript.ts";
import type { MapDeclaration, RecordValue, Value } from "./values.ts";

/** The value of a name that no function binds. */
export function constantOf(l: Lowering, node: ts.Identifier, symbol: ts.Symbol): Value {
  const declaration = symbol.valueDeclaration;
  if (declaration === undefined) return l.fail(node, "WS2004", { name: node.text });
  if (l.module.faults.has(declaration)) throw new Abort();
  if (l.module.source.isIntrinsic(declaration)) return intrinsicOf(l, symbol.name, declaration);
  if (ts.isFunctionDeclaration(declaration)) return { kind: "function", node: declaration };
  // A name of a function's that has no meaning here is one whose own statement was left out: that has been reported.
  if (!isModuleLevel(declaration)) throw new Abort();
  if (!ts.isVariableDeclaration(declaration)) return l.fail(node, "WS2004", { name: node.text });
  const global = globalPlace(l, node, declaration);
  if (global !== null) return load(l, global.memory, global.layout);
  if (declaration.initializer === undefined) {
    return l.fail(node, "WS2004", { name: node.text });
  }
  const known = l.module.constants.get(declaration);
  if (known !== undefined) return known;
  const value = lowerConstant(l, declaration, declaration.initializer);
  // Numbers become instructions anew wherever they are used; everything else is the same thing everywhere.
  if (value.kind === "schema" || value.kind === "map" || value.kind === "function" || value.kind === "program") {
    l.module.constants.set(declaration, value);
  }
  return value;
}

/** Numbers of wirescript/kernel (the actions) have a value; everything else there has a meaning known by its name. */
function intrinsicOf(l: Lowering, name: string, declaration: ts.Declaration): Value {
  if (ts.isVariableDeclaration(declaration) && declaration.initializer !== undefined) {
    const number = numberOf(declaration.initializer);
    if (number !== null) return l.int(number, { bits: 32, signed: number < 0 });
  }
  return { kind: "intrinsic", name, receiver: null };
}

/** `2`, or with a type of its own `-1 as Verdict<-1>`. */
function numberOf(node: ts.Expression): number | null {
  if (ts.isAsExpression(node)) return numberOf(node.expression);
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (!ts.isPrefixUnaryExpression(node) || node.operator !== ts.SyntaxKind.MinusToken) return null;
  const number = numberOf(node.operand);
  return number === null ? null : -number;
}

function lowerConstant(l: Lowering, declaration: ts.VariableDeclaration, initializer: ts.Expression): Value {
  const value = lowerExpression(l, initializer);
  const name = ts.isIdentifier(declaration.name) ? declaration.name.text : "";
  if (value.kind === "schema" && value.layout.kind === "struct" && value.layout.name === "") {
    return { kind: "schema", layout: { ...value.layout, name } };
  }
  if (value.kind === "record") return frozen(value);
  return value;
}

/** Constants of a module cannot be changed: their fields have no place. */
function frozen(record: RecordValue): RecordValue {
  return { ...record, fields: new Map([...record.fields].map(([name, { value }]) => [name, { value, place: null }])) };
}

/** The declaration that `call` is the value of: `const name = perCpuArray(…)` at the top level of a module. */
export function declarationOf(call: ts.Node): ts.VariableDeclaration | null {
  const { parent } = call;
  if (!ts.isVariableDeclaration(parent) || parent.initializer !== call || !ts.isIdentifier(parent.name)) return null;
  return ts.isSourceFile(parent.parent.parent.parent) ? parent : null;
}

/** Records the map, so that the object holds it. */
export function useMap(l: Lowering, map: MapDeclaration): void {
  if (!l.module.maps.has(map.node)) l.module.maps.set(map.node, map);
}

function isModuleLevel(declaration: ts.Declaration): boolean {
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return ts.isSourceFile(statement.parent);
}
