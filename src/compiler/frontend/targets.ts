/**
 * What can be assigned to: variables, fields, elements. A target is found once and then read and written, so that `list[i++] += 1`
 * counts `i` once.
 */

import { assignContextField } from "./context.ts";
import { elementPlace, readElement, withByte } from "./elements.ts";
import { lowerExpression, lowerInt, present, property, symbolOf } from "./expressions.ts";
import { globalPlace } from "./globals.ts";
import type { ScalarLayout } from "./layout.ts";
import { checkDeclared, checkLiteral } from "./literals.ts";
import type { Lowering } from "./lowering.ts";
import { load, store, storeField } from "./memory.ts";
import { isMutable, readPlace, settle, writePlace } from "./places.ts";
import { Abort } from "./reporter.ts";
import ts from "./typescript.ts";
import { type BytesValue, describeValue, type IntValue, type Memory, type Place, U8, type Value } from "./values.ts";

export interface Target {
  read(): Value;
  /** Writes `value`, which wraps at the target's width; gives `value`, the assignment's own value, as in JavaScript. */
  write(value: Value): Value;
}

export function targetOf(l: Lowering, node: ts.Expression): Target {
  if (ts.isParenthesizedExpression(node)) return targetOf(l, node.expression);
  if (ts.isIdentifier(node)) {
    return { read: () => lowerExpression(l, node), write: (value) => assignName(l, node, value) };
  }
  if (ts.isPropertyAccessExpression(node)) return fieldTarget(l, node);
  if (ts.isElementAccessExpression(node)) return elementTarget(l, node);
  return l.fail(node, "WS2008");
}

function assignName(l: Lowering, node: ts.Identifier, value: Value): Value {
  const symbol = symbolOf(l, node);
  const binding = symbol === undefined ? undefined : l.bindings.get(symbol);
  if (binding === undefined) {
    const global = globalPlace(l, node, symbol?.valueDeclaration);
    if (global === null) return l.fail(node, "WS2008");
    store(l, node, global.memory, global.layout, present(value));
    return value;
  }
  if (binding.kind !== "place") {
    if (binding.value.kind === "error") throw new Abort();
    return l.fail(node, "WS2008");
  }
  const settled = settle(l, node, value);
  if (isMutable(settled)) l.fail(node, "WS2016");
  if (symbol !== undefined) checkDeclared(l, node, settled, l.checker.getTypeOfSymbol(symbol));
  writePlace(l, node, binding.place, settled);
  const declaration = symbol?.valueDeclaration;
  if (declaration !== undefined && functionAround(declaration) !== functionAround(node))
    refuseUndoneCheck(l, node, binding.place);
  return settled;
}

function functionAround(node: ts.Node): ts.Node | undefined {
  return ts.findAncestor(node, (at) => ts.isFunctionLike(at));
}

/**
 * TypeScript forgets a check for `null` when the same name is assigned to, but not when a function that it calls assigns to it, or when a
 * field is assigned to through another name: the verifier would then see an address that nobody checked.
 */
function refuseUndoneCheck(l: Lowering, node: ts.Expression, { shape }: Place): void {
  if (shape?.kind === "nullable" && "memory" in shape.value) l.fail(node, "WS2025", { name: node.getText() });
}

function fieldTarget(l: Lowering, node: ts.PropertyAccessExpression): Target {
  const object = present(lowerExpression(l, node.expression));
  const name = node.name.text;
  return {
    read: () => property(l, node, object, name),
    write(value) {
      writeField(l, node, object, name, value);
      return value;
    },
  };
}

function writeField(l: Lowering, node: ts.PropertyAccessExpression, object: Value, name: string, value: Value): void {
  if (object.kind === "view" && object.layout.kind === "struct") {
    const field = object.layout.fields.find((candidate) => candidate.name === name);
    if (field !== undefined) return storeField(l, node, object.memory, field, present(value));
  }
  if (object.kind === "context") return assignContextField(l, node, present(value));
  if (object.kind === "ref" && name === "value") return store(l, node, object.memory, object.layout, present(value));
  const place = object.kind === "record" ? object.fields.get(name)?.place : null;
  if (place == null) return l.fail(node, "WS2008");
  writePlace(l, node, place, settle(l, node, value));
  refuseUndoneCheck(l, node, place);
}

function elementTarget(l: Lowering, node: ts.ElementAccessExpression): Target {
  const array = present(lowerExpression(l, node.expression));
  const index = lowerInt(l, node.argumentExpression, "[…]");
  const place = elementPlace(l, node.argumentExpression, array, index);
  if (place === null) return array.kind === "bytes" ? byteTarget(l, node, array, index) : l.fail(node, "WS2008");
  const { memory, layout } = place;
  return {
    read: () => load(l, memory, layout),
    write(value) {
      store(l, node, memory, layout, present(value));
      return value;
    },
  };
}

/** A byte of an array that a `let` holds: the variable gets the whole array anew. */
function byteTarget(l: Lowering, node: ts.ElementAccessExpression, array: BytesValue, index: IntValue): Target {
  let name: ts.Expression = node.expression;
  while (ts.isParenthesizedExpression(name)) name = name.expression;
  const symbol = ts.isIdentifier(name) ? symbolOf(l, name) : undefined;
  const binding = symbol === undefined ? undefined : l.bindings.get(symbol);
  if (binding?.kind !== "place") {
    // A wrong index is the nearer mistake, and is reported by this.
    readElement(l, node.argumentExpression, array, index);
    return l.fail(node, "WS2026");
  }
  const { place } = binding;
  const current = (): BytesValue => {
    const value = readPlace(l, place);
    return value.kind === "bytes" ? value : l.fail(node, "WS2026");
  };
  return {
    read: () => readElement(l, node.argumentExpression, current(), index),
    write(value) {
      const byte = present(value);
      if (byte.kind !== "int") return l.fail(node, "WS2014", { target: "a byte", kind: describeValue(byte) });
      checkLiteral(l, node, byte, U8);
      writePlace(l, node, place, withByte(l, node.argumentExpression, current(), index, byte));
      return value;
    },
  };
}

/** The scalar in memory that a field, an element or `.value` names, without reading it; `null` for anything else. */
export function scalarPlaceOf(l: Lowering, node: ts.Expression): { memory: Memory; layout: ScalarLayout } | null {
  if (ts.isElementAccessExpression(node)) {
    const array = present(lowerExpression(l, node.expression));
    const place = elementPlace(l, node.argumentExpression, array, lowerInt(l, node.argumentExpression, "[…]"));
    return place?.layout.kind === "scalar" ? { memory: place.memory, layout: place.layout } : null;
  }
  if (ts.isIdentifier(node)) {
    const global = globalPlace(l, node, symbolOf(l, node)?.valueDeclaration);
    return global?.layout.kind === "scalar" ? { memory: global.memory, layout: global.layout } : null;
  }
  if (!ts.isPropertyAccessExpression(node)) return null;
  const object = present(lowerExpression(l, node.expression));
  if (object.kind === "ref" && node.name.text === "value") return { memory: object.memory, layout: object.layout };
  if (object.kind !== "view" || object.layout.kind !== "struct") return null;
  const field = object.layout.fields.find(({ name }) => name === node.name.text);
  if (field?.layout.kind !== "scalar") return null;
  return { memory: { ...object.memory, offset: object.memory.offset + field.offset }, layout: field.layout };
}
