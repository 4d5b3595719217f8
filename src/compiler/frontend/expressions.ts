/** Lowers expressions. What TypeScript's checker has accepted is not checked again: narrowing has made every view usable here. */

import type { BinaryOp, CompareOp } from "../ir/ir.ts";
import { callFunction } from "./calls.ts";
import { conditionOf, equalOrBothNull, isConditionOnly, lowerCondition, truth } from "./conditions.ts";
import { contextProperty } from "./context.ts";
import { constantOf } from "./declarations.ts";
import { readElement } from "./elements.ts";
import { callIntrinsic } from "./intrinsics.ts";
import { Join } from "./join.ts";
import type { StructLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { loadField, loadScalar } from "./memory.ts";
import { readField, readPlace, settle } from "./places.ts";
import { Abort } from "./reporter.ts";
import { type Target, targetOf } from "./targets.ts";
import ts from "./typescript.ts";
import { describeValue, ERROR, I64, type IntValue, type RecordField, U64, type Value } from "./values.ts";

const K = ts.SyntaxKind;

const ARITHMETIC: Partial<Record<ts.SyntaxKind, (signed: boolean) => BinaryOp>> = {
  [K.PlusToken]: () => "add",
  [K.MinusToken]: () => "sub",
  [K.AsteriskToken]: () => "mul",
  [K.SlashToken]: (signed) => (signed ? "sdiv" : "udiv"),
  [K.PercentToken]: (signed) => (signed ? "smod" : "umod"),
  [K.AmpersandToken]: () => "and",
  [K.BarToken]: () => "or",
  [K.CaretToken]: () => "xor",
  [K.LessThanLessThanToken]: () => "shl",
  [K.GreaterThanGreaterThanToken]: (signed) => (signed ? "ashr" : "lshr"),
  [K.GreaterThanGreaterThanGreaterThanToken]: () => "lshr",
};

const SHIFTS = new Set([K.LessThanLessThanToken, K.GreaterThanGreaterThanToken, K.GreaterThanGreaterThanGreaterThanToken]);

const COMPARISON: Partial<Record<ts.SyntaxKind, (signed: boolean) => CompareOp>> = {
  [K.EqualsEqualsEqualsToken]: () => "eq",
  [K.EqualsEqualsToken]: () => "eq",
  [K.ExclamationEqualsEqualsToken]: () => "ne",
  [K.ExclamationEqualsToken]: () => "ne",
  [K.LessThanToken]: (signed) => (signed ? "slt" : "ult"),
  [K.LessThanEqualsToken]: (signed) => (signed ? "sle" : "ule"),
  [K.GreaterThanToken]: (signed) => (signed ? "sgt" : "ugt"),
  [K.GreaterThanEqualsToken]: (signed) => (signed ? "sge" : "uge"),
};

/** `a += b` is `a = a + b`. */
const COMPOUND: Partial<Record<ts.SyntaxKind, ts.SyntaxKind>> = {
  [K.PlusEqualsToken]: K.PlusToken,
  [K.MinusEqualsToken]: K.MinusToken,
  [K.AsteriskEqualsToken]: K.AsteriskToken,
  [K.SlashEqualsToken]: K.SlashToken,
  [K.PercentEqualsToken]: K.PercentToken,
  [K.AmpersandEqualsToken]: K.AmpersandToken,
  [K.BarEqualsToken]: K.BarToken,
  [K.CaretEqualsToken]: K.CaretToken,
  [K.LessThanLessThanEqualsToken]: K.LessThanLessThanToken,
  [K.GreaterThanGreaterThanEqualsToken]: K.GreaterThanGreaterThanToken,
  [K.GreaterThanGreaterThanGreaterThanEqualsToken]: K.GreaterThanGreaterThanGreaterThanToken,
};

export function lowerExpression(l: Lowering, node: ts.Expression): Value {
  if (l.module.faults.has(node)) throw new Abort();
  return l.at(node, () => lower(l, node));
}

/** The expression as an integer. */
export function lowerInt(l: Lowering, node: ts.Expression, operator: string): IntValue {
  return intOf(l, node, lowerExpression(l, node), operator);
}

function intOf(l: Lowering, node: ts.Expression, value: Value, operator: string): IntValue {
  const solid = present(value);
  return solid.kind === "int" ? solid : l.fail(node, "WS2013", { operator, kind: describeValue(solid) });
}

/** What the checker has narrowed: the value itself where `null` has been excluded. */
export function present(value: Value): Value {
  return value.kind === "nullable" ? value.value : value;
}

function lower(l: Lowering, node: ts.Expression): Value {
  if (ts.isParenthesizedExpression(node)) return lowerExpression(l, node.expression);
  if (ts.isIdentifier(node)) return lowerIdentifier(l, node);
  if (ts.isNumericLiteral(node)) return lowerNumber(l, node);
  if (ts.isBigIntLiteral(node)) return l.int(BigInt(node.text.slice(0, -1)));
  if (node.kind === K.TrueKeyword) return l.bool(l.builder.const(1, "bool"));
  if (node.kind === K.FalseKeyword) return l.bool(l.builder.const(0, "bool"));
  if (node.kind === K.NullKeyword) return { kind: "null" };
  if (ts.isStringLiteral(node)) return { kind: "string", text: node.text };
  if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) return { kind: "function", node };
  if (ts.isObjectLiteralExpression(node)) return lowerObject(l, node);
  if (ts.isArrayLiteralExpression(node)) return lowerArray(l, node);
  // Only `as const` gets here.
  if (ts.isAsExpression(node)) return lowerExpression(l, node.expression);
  if (ts.isPropertyAccessExpression(node)) return lowerPropertyAccess(l, node);
  if (ts.isElementAccessExpression(node)) return lowerElementAccess(l, node);
  if (ts.isCallExpression(node)) return lowerCall(l, node);
  if (ts.isTaggedTemplateExpression(node)) return lowerTemplate(l, node);
  if (ts.isPrefixUnaryExpression(node)) return lowerPrefix(l, node);
  if (ts.isPostfixUnaryExpression(node)) return lowerStep(l, node.operand, node.operator, "old");
  if (ts.isConditionalExpression(node)) return lowerConditional(l, node);
  if (ts.isBinaryExpression(node)) return lowerBinary(l, node);
  if (ts.isSatisfiesExpression(node) || ts.isExpressionWithTypeArguments(node)) return lowerExpression(l, node.expression);
  // All others are rejected before anything is lowered.
  throw new Error(`the expression ${K[node.kind]} has no meaning`);
}

// -- names and literals --

/** What an identifier means, seen through imports. */
export function symbolOf(l: Lowering, node: ts.Identifier): ts.Symbol | undefined {
  const { checker } = l;
  const symbol = ts.isShorthandPropertyAssignment(node.parent)
    ? checker.getShorthandAssignmentValueSymbol(node.parent)
    : checker.getSymbolAtLocation(node);
  return symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol;
}

function lowerIdentifier(l: Lowering, node: ts.Identifier): Value {
  const symbol = symbolOf(l, node);
  if (symbol === undefined || node.text === "undefined") return { kind: "null" };
  // Imported from where there is no such thing, which TypeScript has reported at the import.
  if (l.checker.isUnknownSymbol(symbol)) throw new Abort();
  const binding = l.bindings.get(symbol);
  if (binding !== undefined) {
    const value = binding.kind === "value" ? binding.value : readPlace(l, binding.place);
    if (value.kind === "error") throw new Abort();
    return value;
  }
  return constantOf(l, node, symbol);
}

function lowerNumber(l: Lowering, node: ts.NumericLiteral): IntValue {
  const value = Number(node.text);
  if (!Number.isSafeInteger(value)) l.fail(node, "WS2019", { text: node.getText() });
  return { ...l.int(value), isLiteral: true };
}

function lowerObject(l: Lowering, node: ts.ObjectLiteralExpression): Value {
  const fields = new Map<string, { value: Value; place: null }>();
  for (const property of node.properties) {
    if (ts.isPropertyAssignment(property)) {
      if (ts.isComputedPropertyName(property.name)) throw new Abort();
      fields.set(property.name.text, { value: settle(l, property, lowerExpression(l, property.initializer)), place: null });
    } else if (ts.isShorthandPropertyAssignment(property)) {
      fields.set(property.name.text, { value: settle(l, property, lowerExpression(l, property.name)), place: null });
    } else {
      // Methods, accessors and spreading are rejected before anything is lowered.
      throw new Abort();
    }
  }
  return { kind: "record", fields };
}

function lowerArray(l: Lowering, node: ts.ArrayLiteralExpression): Value {
  const fields = new Map<string, RecordField>();
  for (const [index, element] of node.elements.entries()) {
    // Gaps are rejected before anything is lowered.
    if (ts.isOmittedExpression(element)) throw new Abort();
    fields.set(String(index), { value: settle(l, element, lowerExpression(l, element)), place: null });
  }
  return { kind: "record", fields, length: node.elements.length };
}

// -- access --

/** `a.b`; `a?.b` where `a` may be null, and what follows it in the same chain, which is left when `a` is null. */
function lowerPropertyAccess(l: Lowering, node: ts.PropertyAccessExpression): Value {
  const object = lowerExpression(l, node.expression);
  if (ts.isOptionalChain(node)) return optional(l, node, object, (value) => property(l, node, value, node.name.text));
  return property(l, node, present(object), node.name.text);
}

/** `use(object)` when it is there, else `null`. */
function optional(l: Lowering, node: ts.Expression, object: Value, use: (value: Value) => Value): Value {
  if (object.kind === "null") return object;
  if (object.kind !== "nullable") return use(object);
  const join = new Join(l);
  const there = l.builder.newBlock();
  const missing = l.builder.newBlock();
  l.builder.branch(object.valid, there, missing);
  l.builder.enter(there);
  if (!l.unreachable) join.add(node, use(object.value));
  l.builder.enter(missing);
  join.add(node, { kind: "null" });
  return join.finish();
}

/** `object.name`; messages point at `node`. */
export function property(l: Lowering, node: ts.Node, object: Value, name: string): Value {
  switch (object.kind) {
    case "view": {
      const { layout, memory } = object;
      if (layout.kind === "array") {
        if (name === "length") return l.int(layout.length);
        break;
      }
      const field = layout.fields.find((candidate) => candidate.name === name);
      if (field !== undefined) return loadField(l, memory, field);
      break;
    }
    case "ref":
      if (name === "value") return loadScalar(l, object.memory, object.layout);
      break;
    case "record": {
      if (object.length !== undefined && name === "length") return l.int(object.length);
      const field = object.fields.get(name);
      // An optional field that the literal leaves out.
      return field === undefined ? { kind: "null" } : readField(l, field);
    }
    // The result of a function of which something was left out, which has been reported.
    case "void":
      throw new Abort();
    case "bytes":
    case "bytesPlace":
      if (name === "length") return l.int(object.length);
      if (name === "equals") return { kind: "intrinsic", name: "equals", receiver: object };
      break;
    case "context":
      return contextProperty(l, name, object);
    case "schema":
      if (name === "size" && object.layout.kind !== "bits") return l.int(object.layout.size);
      if (object.layout.kind === "struct" && name === (object.layout.overlay === true ? "members" : "fields")) {
        return fieldsOf(object.layout);
      }
      if (name === "length" && object.layout.kind === "array") return l.int(object.layout.length);
      if (name === "element" && object.layout.kind === "array") return { kind: "schema", layout: object.layout.element };
      break;
    case "map":
      return { kind: "intrinsic", name, receiver: object };
    // `tc.ingress`
    case "intrinsic":
      if (object.receiver === null) return { kind: "intrinsic", name: `${object.name}.${name}`, receiver: null };
      break;
  }
  // Of an `any` nothing is known, which has been reported where the type stands.
  if (isAny(l, node) && l.module.reporter.diagnostics.length > 0) throw new Abort();
  return l.fail(node, "WS2003", { name: node.getText() });
}

function isAny(l: Lowering, node: ts.Node): boolean {
  return (l.checker.getTypeAtLocation(node).flags & ts.TypeFlags.Any) !== 0;
}

/** `Schema.fields`: the schemas of its fields, by name. */
function fieldsOf(layout: StructLayout): Value {
  const fields = new Map<string, RecordField>();
  for (const field of layout.fields) fields.set(field.name, { value: { kind: "schema", layout: field.layout }, place: null });
  return { kind: "record", fields };
}

function lowerElementAccess(l: Lowering, node: ts.ElementAccessExpression): Value {
  const object = lowerExpression(l, node.expression);
  const read = (value: Value): Value => {
    const index = lowerInt(l, node.argumentExpression, "[…]");
    return readElement(l, node.argumentExpression, present(value), index);
  };
  return ts.isOptionalChain(node) ? optional(l, node, object, read) : read(object);
}

// -- calls --

function lowerCall(l: Lowering, node: ts.CallExpression): Value {
  const { expression } = node;
  if (ts.isPropertyAccessExpression(expression) && ts.isOptionalChain(expression)) {
    const object = lowerExpression(l, expression.expression);
    return optional(l, node, object, (value) => call(l, node, property(l, expression, value, expression.name.text)));
  }
  return call(l, node, present(lowerExpression(l, expression)));
}

function call(l: Lowering, node: ts.CallExpression, callee: Value): Value {
  if (callee.kind === "function") return callFunction(l, node, callee, node.arguments);
  if (callee.kind === "intrinsic") return callIntrinsic(l, node, callee);
  if (callee.kind === "schema") return callIntrinsic(l, node, { kind: "intrinsic", name: "cast", receiver: callee });
  return l.fail(node.expression, "WS2003", { name: node.expression.getText() });
}

function lowerTemplate(l: Lowering, node: ts.TaggedTemplateExpression): Value {
  const tag = lowerExpression(l, node.tag);
  if (tag.kind === "intrinsic" && tag.name === "trace") return callIntrinsic(l, node, tag);
  return l.fail(node, "WS1008");
}

// -- operators --

function lowerPrefix(l: Lowering, node: ts.PrefixUnaryExpression): Value {
  switch (node.operator) {
    case K.ExclamationToken:
      return l.bool(l.not(conditionOf(l, node.operand)));
    case K.PlusPlusToken:
    case K.MinusMinusToken:
      return lowerStep(l, node.operand, node.operator, "new");
    case K.MinusToken: {
      const { ssa, isLiteral } = lowerInt(l, node.operand, "-");
      const negated = l.binary("sub", l.builder.const(0), ssa);
      return { kind: "int", ssa: negated, type: I64, ...(isLiteral && { isLiteral }) };
    }
    case K.TildeToken: {
      const { ssa, type } = lowerInt(l, node.operand, "~");
      return { kind: "int", ssa: l.binary("xor", ssa, l.builder.const(-1)), type: type.signed ? I64 : U64 };
    }
    default:
      return lowerInt(l, node.operand, "+");
  }
}

/** `x++` and the like; gives the value before or after. */
function lowerStep(l: Lowering, target: ts.Expression, operator: ts.SyntaxKind, result: "old" | "new"): Value {
  const place = targetOf(l, target);
  const old = intOf(l, target, place.read(), operator === K.PlusPlusToken ? "++" : "--");
  const op = operator === K.PlusPlusToken ? "add" : "sub";
  const ssa = l.binary(op, old.ssa, l.builder.const(1));
  const stored = place.write({ kind: "int", ssa, type: old.type.signed ? I64 : U64 });
  return result === "old" || stored.kind !== "int" ? old : stored;
}

function lowerConditional(l: Lowering, node: ts.ConditionalExpression): Value {
  const join = new Join(l);
  const then = l.builder.newBlock();
  const otherwise = l.builder.newBlock();
  lowerCondition(l, node.condition, then, otherwise);
  for (const [block, arm] of [
    [then, node.whenTrue],
    [otherwise, node.whenFalse],
  ] as const) {
    l.builder.enter(block);
    if (!l.unreachable) join.add(arm, l.attempt(() => lowerExpression(l, arm)) ?? ERROR);
  }
  return join.finish();
}

function lowerBinary(l: Lowering, node: ts.BinaryExpression): Value {
  const operator = node.operatorToken.kind;
  const text = node.operatorToken.getText();
  if (operator === K.EqualsToken) {
    // As in JavaScript, an index is computed before the value is.
    const [target, value] = l.all<[Target, Value]>(
      () => targetOf(l, node.left),
      () => lowerExpression(l, node.right),
    );
    return target.write(value);
  }
  const compound = COMPOUND[operator];
  if (compound !== undefined) {
    const target = targetOf(l, node.left);
    const [left, right] = l.all(
      () => intOf(l, node.left, target.read(), text),
      () => lowerInt(l, node.right, text),
    );
    return target.write(arithmetic(l, compound, left, right));
  }
  if (operator === K.AmpersandAmpersandToken || operator === K.BarBarToken) {
    return isConditionOnly(l, node) ? l.bool(conditionOf(l, node)) : lowerLogical(l, node);
  }
  if (operator === K.QuestionQuestionToken) return lowerCoalesce(l, node);
  if (COMPARISON[operator] !== undefined) return compare(l, node);
  const [left, right] = operands(l, node);
  return arithmetic(l, operator, left, right);
}

function operands(l: Lowering, { left, right, operatorToken }: ts.BinaryExpression): [IntValue, IntValue] {
  const operator = operatorToken.getText();
  return l.all(
    () => lowerInt(l, left, operator),
    () => lowerInt(l, right, operator),
  );
}

function arithmetic(l: Lowering, operator: ts.SyntaxKind, left: IntValue, right: IntValue): IntValue {
  const op = ARITHMETIC[operator];
  if (op === undefined) throw new Error(`no operator ${K[operator]}`);
  // A shift takes its kind from what is shifted.
  const signed = SHIFTS.has(operator) ? left.type.signed : left.type.signed || right.type.signed;
  return { kind: "int", ssa: l.binary(op(signed), left.ssa, right.ssa), type: signed ? I64 : U64 };
}

function lowerCoalesce(l: Lowering, node: ts.BinaryExpression): Value {
  const left = lowerExpression(l, node.left);
  if (left.kind === "null") return lowerExpression(l, node.right);
  if (left.kind !== "nullable") return left;
  const join = new Join(l);
  const there = l.builder.newBlock();
  const missing = l.builder.newBlock();
  l.builder.branch(left.valid, there, missing);
  l.builder.enter(there);
  join.add(node.left, left.value);
  l.builder.enter(missing);
  if (!l.unreachable) join.add(node.right, l.attempt(() => lowerExpression(l, node.right)) ?? ERROR);
  return join.finish();
}

/** `a && b` and `a || b` as values: the left side where it decides, else the right one. */
function lowerLogical(l: Lowering, node: ts.BinaryExpression): Value {
  const and = node.operatorToken.kind === K.AmpersandAmpersandToken;
  const left = lowerExpression(l, node.left);
  const isNumber = present(left).kind === "int";
  const join = new Join(l);
  const holds = l.builder.newBlock();
  const fails = l.builder.newBlock();
  l.builder.branch(truth(l, node.left, left), holds, fails);
  l.builder.enter(and ? fails : holds);
  // What is false is null, but for numbers; what is true is there.
  if (!l.unreachable) join.add(node.left, and ? (isNumber ? left : { kind: "null" }) : present(left));
  l.builder.enter(and ? holds : fails);
  if (!l.unreachable) {
    const right = lowerExpression(l, node.right);
    if (and && isNumber && present(right).kind !== "int") return l.fail(node, "WS2011");
    join.add(node.right, right);
  }
  return join.finish();
}

function compare(l: Lowering, node: ts.BinaryExpression): Value {
  const operator = node.operatorToken.kind;
  const op = COMPARISON[operator];
  if (op === undefined) throw new Error(`no comparison ${K[operator]}`);
  const [left, right] = l.all<[Value, Value]>(
    () => lowerExpression(l, node.left),
    () => lowerExpression(l, node.right),
  );
  const equality = op(false) === "eq" || op(false) === "ne";
  if (equality && (left.kind === "null" || right.kind === "null")) {
    const value = left.kind === "null" ? right : left;
    const isNull = value.kind === "nullable" ? l.not(value.valid) : l.builder.const(value.kind === "null" ? 1 : 0, "bool");
    return l.bool(op(false) === "eq" ? isNull : l.not(isNull));
  }
  const [a, b] = [present(left), present(right)];
  if (a.kind === "int" && b.kind === "int") {
    if (equality && (left.kind === "nullable" || right.kind === "nullable")) {
      const same = equalOrBothNull(l, left, right, () => l.compare("eq", a.ssa, b.ssa));
      return l.bool(op(false) === "eq" ? same : l.not(same));
    }
    return l.bool(l.compare(op(a.type.signed || b.type.signed), a.ssa, b.ssa));
  }
  const culprit = a.kind === "int" ? b : a;
  return l.fail(node, "WS2013", { operator: node.operatorToken.getText(), kind: describeValue(culprit) });
}
