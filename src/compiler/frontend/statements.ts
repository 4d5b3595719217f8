/** Lowers statements. One that cannot be compiled is reported and left out, so that the rest is still looked at. */

import type { Block, Value as Ssa } from "../ir/ir.ts";
import { forEachAssignment, isReassigned, isWrittenInto } from "./assignments.ts";
import { equalOrBothNull, lowerCondition } from "./conditions.ts";
import { lowerExpression, present, property } from "./expressions.ts";
import { intTypeOf } from "./flavours.ts";
import { checkDeclared } from "./literals.ts";
import { lowerFor, lowerForOf } from "./loops.ts";
import type { Frame, FunctionNode, Lowering } from "./lowering.ts";
import { isMutable, named, newPlace, settle } from "./places.ts";
import { Abort } from "./reporter.ts";
import ts from "./typescript.ts";
import { describeValue, ERROR, type IntValue, type Value } from "./values.ts";

/** What the function that is being built in returns: a number that is written there must fit its type. */
export function lowerResult(l: Lowering, node: ts.Expression): Value {
  const value = lowerExpression(l, node);
  const signature = l.checker.getSignatureFromDeclaration(currentFrame(l).node);
  if (signature !== undefined) checkDeclared(l, node, value, l.checker.getReturnTypeOfSignature(signature));
  return value;
}

export function lowerStatements(l: Lowering, statements: readonly ts.Statement[]): void {
  for (const statement of statements) lowerStatement(l, statement);
}

export function lowerStatement(l: Lowering, node: ts.Statement): void {
  if (l.unreachable) return;
  const statement = (): void => {
    if (l.module.faults.has(node)) throw new Abort();
    l.at(node, () => lower(l, node));
  };
  if (l.attempt(statement) === null) leaveOut(l, node);
}

/** What a statement that could not be compiled declares or assigns to has no meaning any more. */
function leaveOut(l: Lowering, node: ts.Node): void {
  const lose = (name: ts.Identifier): void => {
    const symbol = l.checker.getSymbolAtLocation(name);
    if (symbol !== undefined) l.bindings.set(symbol, { kind: "value", value: ERROR });
  };
  forEachAssignment(node, (target) => {
    if (ts.isIdentifier(target)) lose(target);
  });
  const declared = (child: ts.Node): void => {
    if ((ts.isVariableDeclaration(child) || ts.isBindingElement(child)) && ts.isIdentifier(child.name)) lose(child.name);
    ts.forEachChild(child, declared);
  };
  declared(node);
}

function lower(l: Lowering, node: ts.Statement): void {
  if (ts.isBlock(node)) return lowerStatements(l, node.statements);
  if (ts.isVariableStatement(node)) return lowerVariables(l, node.declarationList);
  if (ts.isExpressionStatement(node)) return void lowerExpression(l, node.expression);
  if (ts.isIfStatement(node)) return lowerIf(l, node);
  if (ts.isForStatement(node)) return lowerLoop(l, node, node.initializer, () => lowerFor(l, node));
  if (ts.isForOfStatement(node)) return lowerLoop(l, node, node.initializer, () => lowerForOf(l, node));
  if (ts.isSwitchStatement(node)) return lowerSwitch(l, node);
  if (ts.isReturnStatement(node)) {
    const { expression } = node;
    const value: Value | null = expression === undefined ? { kind: "void" } : l.attempt(() => lowerResult(l, expression));
    return currentFrame(l).returns.add(node, value ?? ERROR);
  }
  if (ts.isBreakStatement(node)) {
    const target = currentFrame(l).loops.at(-1);
    if (target !== undefined) l.builder.jump(target.break);
    return;
  }
  if (ts.isContinueStatement(node)) {
    const target = currentFrame(l).loops.findLast((loop) => loop.continue !== null);
    if (target?.continue != null) l.builder.jump(target.continue);
    return;
  }
  if (ts.isEmptyStatement(node) || ts.isFunctionDeclaration(node)) return;
  if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
  // All others are rejected before anything is lowered.
  throw new Error(`the statement ${ts.SyntaxKind[node.kind]} has no meaning`);
}

/** A loop; when it cannot be compiled, its body is still looked at, once, with names that mean nothing. */
function lowerLoop(
  l: Lowering,
  node: ts.ForStatement | ts.ForOfStatement,
  names: ts.ForInitializer | undefined,
  lowerAll: () => void,
): void {
  if (l.attempt(lowerAll) !== null) return;
  if (names !== undefined) leaveOut(l, names);
  const end = l.builder.newBlock();
  const { loops } = currentFrame(l);
  loops.push({ break: end, continue: end });
  lowerStatement(l, node.statement);
  loops.pop();
  l.builder.jump(end);
  l.builder.enter(end);
  throw new Abort();
}

function currentFrame(l: Lowering): Frame {
  const frame = l.frames.at(-1);
  if (frame === undefined) throw new Error("a statement outside of any function");
  return frame;
}

function lowerVariables(l: Lowering, list: ts.VariableDeclarationList): void {
  l.all(...list.declarations.map((declaration) => () => lowerVariable(l, declaration)));
}

function lowerVariable(l: Lowering, declaration: ts.VariableDeclaration): void {
  if (l.module.faults.has(declaration)) throw new Abort();
  const { name, initializer, parent } = declaration;
  const scope = enclosingFunction(parent);
  // `let x: u32;` gets its value on every path before it is read, says the checker; until then it is 0 or null.
  const value = initializer === undefined ? emptyOf(l, name) : settle(l, initializer, lowerExpression(l, initializer));
  checkDeclared(l, initializer ?? name, value, l.checker.getTypeAtLocation(name));
  const isCopy = value.kind === "bytes" && (parent.flags & ts.NodeFlags.Let) !== 0;
  bindPattern(l, name, value, isReassigned(name, scope) || (isCopy && isWrittenInto(name, scope)));
}

function enclosingFunction(node: ts.Node): ts.Node {
  const isFunction = (at: ts.Node): at is FunctionNode =>
    ts.isFunctionDeclaration(at) || ts.isFunctionExpression(at) || ts.isArrowFunction(at);
  let at = node;
  while (!isFunction(at) && !ts.isSourceFile(at)) at = at.parent;
  return at;
}

function emptyOf(l: Lowering, name: ts.BindingName): Value {
  const type = l.checker.getTypeAtLocation(name);
  if ((type.flags & ts.TypeFlags.BooleanLike) !== 0) return l.bool(l.builder.const(0, "bool"));
  return (type.flags & ts.TypeFlags.NumberLike) !== 0 || intTypeOf(l.checker, type) !== null ? l.int(0) : { kind: "null" };
}

/** Gives a name, or the names of a pattern such as `{ type, offset }`, their meaning. */
export function bindPattern(l: Lowering, name: ts.BindingName, value: Value, changes: boolean): void {
  if (l.module.faults.has(name)) throw new Abort();
  if (ts.isIdentifier(name)) return bindName(l, name, value, changes);
  if (ts.isArrayBindingPattern(name)) return l.fail(name, "WS1015");
  const object = present(value);
  for (const element of name.elements) {
    if (l.module.faults.has(element)) throw new Abort();
    const key = element.propertyName ?? element.name;
    // Computed names are rejected before anything is lowered.
    if (!ts.isIdentifier(key) && !ts.isStringLiteral(key) && !ts.isNumericLiteral(key)) throw new Abort();
    bindPattern(l, element.name, settle(l, element, property(l, element, object, key.text)), changes);
  }
}

function bindName(l: Lowering, name: ts.Identifier, value: Value, changes: boolean): void {
  const symbol = l.checker.getSymbolAtLocation(name);
  if (symbol === undefined) throw new Error(`${name.text} has no symbol`);
  const declared = l.checker.getTypeAtLocation(name);
  const solid = l.checker.getNonNullableType(declared);
  const type = intTypeOf(l.checker, solid);
  const wrapped = value.kind === "int" && type !== null ? l.wrap(value, type) : value;
  if (changes) {
    if (isMutable(wrapped)) l.fail(name, "WS2016");
    const place = newPlace(l, name.text, wrapped, type, declared !== solid);
    l.bindings.set(symbol, { kind: "place", place });
  } else {
    l.bindings.set(symbol, { kind: "value", value: named(l, name.text, wrapped) });
  }
}

function lowerIf(l: Lowering, node: ts.IfStatement): void {
  const then = l.builder.newBlock();
  const otherwise = l.builder.newBlock();
  const after = node.elseStatement === undefined ? otherwise : l.builder.newBlock();
  lowerCondition(l, node.expression, then, otherwise);
  l.builder.enter(then);
  lowerStatement(l, node.thenStatement);
  l.builder.jump(after);
  if (node.elseStatement !== undefined) {
    l.builder.enter(otherwise);
    lowerStatement(l, node.elseStatement);
    l.builder.jump(after);
  }
  l.builder.enter(after);
}

interface Subject {
  /** It may be null. */
  whole: Value;
  value: IntValue;
}

function switchedOn(l: Lowering, node: ts.Expression): Subject {
  const whole = lowerExpression(l, node);
  const value = present(whole);
  if (value.kind !== "int") return l.fail(node, "WS2013", { operator: "switch", kind: describeValue(value) });
  return { whole, value };
}

/** Whether `label` is what is switched on. */
function matches(l: Lowering, clause: ts.CaseClause, switched: Subject | null, label: Value): Ssa {
  if (switched === null) return l.eitherWay;
  const { whole: subject, value } = switched;
  if (label.kind === "null") return subject.kind === "nullable" ? l.not(subject.valid) : l.builder.const(0, "bool");
  const other = present(label);
  if (other.kind !== "int") return l.fail(clause, "WS2013", { operator: "case", kind: describeValue(label) });
  const same = () => l.compare("eq", value.ssa, other.ssa);
  return subject.kind === "nullable" || label.kind === "nullable" ? equalOrBothNull(l, subject, label, same) : same();
}

function lowerSwitch(l: Lowering, node: ts.SwitchStatement): void {
  const subject = l.attempt(() => switchedOn(l, node.expression));
  const { clauses } = node.caseBlock;
  const bodies = clauses.map(() => l.builder.newBlock());
  const end = l.builder.newBlock();
  let fallback: Block = end;
  clauses.forEach((clause, index) => {
    const body = bodies[index] as Block;
    if (ts.isDefaultClause(clause)) {
      fallback = body;
      return;
    }
    l.at(clause, () => {
      const equal = l.attempt(() => matches(l, clause, subject, lowerExpression(l, clause.expression)));
      const next = l.builder.newBlock();
      l.builder.branch(equal ?? l.eitherWay, body, next);
      l.builder.enter(next);
    });
  });
  l.builder.jump(fallback);
  const { loops } = currentFrame(l);
  loops.push({ break: end, continue: null });
  clauses.forEach((clause, index) => {
    const body = bodies[index] as Block;
    // What runs off the end of one clause goes on in the next.
    l.builder.jump(body);
    l.builder.enter(body);
    lowerStatements(l, clause.statements);
  });
  l.builder.jump(end);
  loops.pop();
  l.builder.enter(end);
}
