/**
 * Loops whose number of rounds is a constant; the others are in `variable-loops.ts`. Short ones are unrolled, since constants then reach offsets and indexes; the others
 * become loops that the verifier walks through round by round.
 */

import type { Block } from "../ir/ir.ts";
import { isReassigned } from "./assignments.ts";
import { lengthOf, readElement } from "./elements.ts";
import { lowerExpression, lowerInt, present, symbolOf } from "./expressions.ts";
import { intTypeOf } from "./flavours.ts";
import type { Lowering } from "./lowering.ts";
import { newPlace, readPlace, settle, writePlace } from "./places.ts";
import { bindPattern, lowerStatement } from "./statements.ts";
import ts from "./typescript.ts";
import { I64, type IntType, type IntValue, U64, type Value } from "./values.ts";
import { lowerVariableFor, lowerVariableRange } from "./variable-loops.ts";

const K = ts.SyntaxKind;

/** Unrolled when rounds × nodes of the body stay below this: more code than that costs more than the loop. */
const UNROLL_BUDGET = 600;
/** The same for rounds that do not ask for the counter: no constants come of unrolling them. */
const EQUAL_ROUNDS_BUDGET = 150;
/** More forks than this in all rounds together are not unrolled, since a loop can be handed to the kernel and straight code cannot. */
const MOST_FORKS = 10;
/** BPF_MAX_LOOPS: more rounds `bpf_loop` does not make. */
export const MOST_ROUNDS = 1 << 23;

interface Rounds {
  /** The counter's value in each round. */
  start: bigint;
  step: bigint;
  count: number;
  type: IntType;
}

export function lowerFor(l: Lowering, node: ts.ForStatement): void {
  const { initializer, condition, incrementor, statement } = node;
  const declarations = initializer !== undefined && ts.isVariableDeclarationList(initializer) ? initializer.declarations : [];
  const [declaration] = declarations;
  if (declaration === undefined || declarations.length !== 1) return l.fail(node, "WS2001");
  if (condition === undefined || incrementor === undefined) return l.fail(node, "WS2001");
  if (!ts.isIdentifier(declaration.name) || declaration.initializer === undefined) return l.fail(node, "WS2001");
  const { name } = declaration;
  const step = stepOf(l, name, incrementor);
  if (step === null || isReassigned(name, statement)) return l.fail(node, "WS2001");
  const first = lowerExpression(l, declaration.initializer);
  if (first.kind !== "int" || first.type.bits === 1) return l.fail(node, "WS2001");
  const start = first.ssa.op === "const" ? first.ssa.value : null;
  const limit = limitOf(l, name, condition);
  if (start === null || limit === null) {
    return lowerVariableFor(l, { node, start: first, step, bind: counterOf(l, name), body: statement }, name, condition);
  }
  const signed = start < 0n || limit.value < 0n || step < 0n;
  const count = countRounds(start, limit, step);
  if (count === null) return l.fail(node, "WS2001");
  // A counter of an annotated type wraps at its width, and may then never reach the limit.
  const declared = intTypeOf(l.checker, l.checker.getTypeAtLocation(name));
  if (declared !== null && !holds(declared, start, start + BigInt(count) * step)) return l.fail(node, "WS2001");
  const rounds: Rounds = { start, step, count, type: signed ? I64 : U64 };
  lowerRounds(l, node, counterOf(l, name), statement, rounds, budgetOf(l, name, statement));
}

/** `for (const i of range(n))`, and `for (const element of array)`. */
export function lowerForOf(l: Lowering, node: ts.ForOfStatement): void {
  const { initializer, expression, statement } = node;
  const declaration = ts.isVariableDeclarationList(initializer) ? initializer.declarations[0] : undefined;
  if (declaration !== undefined && !isRangeCall(l, expression)) {
    return lowerElements(l, node, declaration.name, present(lowerExpression(l, expression)));
  }
  const callee = ts.isCallExpression(expression) ? lowerExpression(l, expression.expression) : null;
  if (
    declaration === undefined ||
    callee?.kind !== "intrinsic" ||
    callee.name !== "range" ||
    !ts.isCallExpression(expression)
  ) {
    return l.fail(node, "WS2001");
  }
  const ends = expression.arguments.map((argument) => lowerInt(l, argument, "range"));
  const [from, to] = ends.length > 1 ? ends : [l.int(0), ...ends];
  if (from === undefined || to === undefined) return l.fail(expression, "WS2001");
  if (from.ssa.op !== "const" || to.ssa.op !== "const") {
    const bind = counterOf(l, declaration.name);
    return lowerVariableRange(l, { node, start: from, step: 1n, bind, body: statement }, to, expression);
  }
  const [start, end] = [from.ssa.value, to.ssa.value];
  const count = Number(end > start ? end - start : 0n);
  const rounds: Rounds = { start, step: 1n, count, type: start < 0n ? I64 : U64 };
  lowerRounds(l, node, counterOf(l, declaration.name), statement, rounds, budgetOf(l, declaration.name, statement));
}

function isRangeCall(l: Lowering, node: ts.Expression): boolean {
  if (!ts.isCallExpression(node)) return false;
  const symbol = ts.isIdentifier(node.expression) ? symbolOf(l, node.expression) : undefined;
  return symbol?.valueDeclaration !== undefined && l.module.source.isIntrinsic(symbol.valueDeclaration);
}

function lowerElements(l: Lowering, node: ts.ForOfStatement, name: ts.BindingName, array: Value): void {
  const { expression, statement } = node;
  const count = lengthOf(array);
  if (count === null) return l.fail(expression, "WS2001");
  const changes = isReassigned(name, statement);
  const bind = (index: IntValue) =>
    bindPattern(l, name, settle(l, expression, readElement(l, expression, array, index)), changes);
  // The elements of a literal have no addresses: each is a piece of code of its own.
  const rounds = { start: 0n, step: 1n, count, type: U64 };
  if (array.kind === "record") unroll(l, bind, statement, rounds);
  else lowerRounds(l, node, bind, statement, rounds);
}

function holds({ bits, signed }: IntType, ...values: bigint[]): boolean {
  const wrap = signed ? BigInt.asIntN : BigInt.asUintN;
  return values.every((value) => wrap(bits, value) === value);
}

function constant(l: Lowering, node: ts.Expression): bigint | null {
  const value = lowerExpression(l, node);
  return value.kind === "int" && value.ssa.op === "const" ? value.ssa.value : null;
}

interface Limit {
  operator: ts.SyntaxKind;
  value: bigint;
}

const MIRRORED: Partial<Record<ts.SyntaxKind, ts.SyntaxKind>> = {
  [K.LessThanToken]: K.GreaterThanToken,
  [K.LessThanEqualsToken]: K.GreaterThanEqualsToken,
  [K.GreaterThanToken]: K.LessThanToken,
  [K.GreaterThanEqualsToken]: K.LessThanEqualsToken,
  [K.ExclamationEqualsEqualsToken]: K.ExclamationEqualsEqualsToken,
};

/** `i < limit` and its kin, either way round; `null` for what is no comparison of the counter. */
export function comparisonWith(
  l: Lowering,
  counter: ts.Identifier,
  condition: ts.Expression,
): { operator: ts.SyntaxKind; limit: ts.Expression } | null {
  if (!ts.isBinaryExpression(condition)) return null;
  const operator = condition.operatorToken.kind;
  const mirrored = MIRRORED[operator];
  if (mirrored === undefined) return null;
  if (names(l, condition.left, counter)) return { operator, limit: condition.right };
  return names(l, condition.right, counter) ? { operator: mirrored, limit: condition.left } : null;
}

/** A limit that is a constant. Others are not lowered here: they may do more than give a number. */
function limitOf(l: Lowering, counter: ts.Identifier, condition: ts.Expression): Limit | null {
  const comparison = comparisonWith(l, counter, condition);
  if (comparison === null || !mayBeConstant(comparison.limit)) return null;
  const value = constant(l, comparison.limit);
  return value === null ? null : { operator: comparison.operator, value };
}

function mayBeConstant(node: ts.Node): boolean {
  if (ts.isCallExpression(node) && !ts.isIdentifier(node.expression)) return false;
  return ts.forEachChild(node, (child) => (mayBeConstant(child) ? undefined : true)) === undefined;
}

/** What each round adds to the counter. */
function stepOf(l: Lowering, counter: ts.Identifier, node: ts.Expression): bigint | null {
  if (ts.isPostfixUnaryExpression(node) || ts.isPrefixUnaryExpression(node)) {
    if (!names(l, node.operand, counter)) return null;
    return node.operator === K.PlusPlusToken ? 1n : node.operator === K.MinusMinusToken ? -1n : null;
  }
  if (!ts.isBinaryExpression(node) || !names(l, node.left, counter)) return null;
  const value = constant(l, node.right);
  if (value === null) return null;
  if (node.operatorToken.kind === K.PlusEqualsToken) return value;
  return node.operatorToken.kind === K.MinusEqualsToken ? -value : null;
}

function names(l: Lowering, node: ts.Node, counter: ts.Identifier): boolean {
  return ts.isIdentifier(node) && symbolOf(l, node) === l.checker.getSymbolAtLocation(counter);
}

/** How often the body runs; `null` when it never ends. */
function countRounds(start: bigint, { operator, value }: Limit, step: bigint): number | null {
  const distance = value - start;
  const towards = (inclusive: bigint): number | null => {
    const left = step > 0n ? distance + inclusive : -distance + inclusive;
    if (left <= 0n) return 0;
    const size = step > 0n ? step : -step;
    return Number((left + size - 1n) / size);
  };
  switch (operator) {
    case K.LessThanToken:
    case K.LessThanEqualsToken:
      if (step <= 0n) return distance < 0n ? 0 : null;
      return towards(operator === K.LessThanToken ? 0n : 1n);
    case K.GreaterThanToken:
    case K.GreaterThanEqualsToken:
      if (step >= 0n) return distance > 0n ? 0 : null;
      // An unsigned counter that goes below zero becomes large: only a signed start or a limit above zero ends.
      return towards(operator === K.GreaterThanToken ? 0n : 1n);
    default:
      return step !== 0n && distance % step === 0n && distance / step >= 0n ? Number(distance / step) : null;
  }
}

/** Gives the loop's variable its meaning for the round with this index. */
export type Bind = (index: IntValue) => void;

function counterOf(l: Lowering, name: ts.BindingName): Bind {
  return (index) => bindPattern(l, name, index, false);
}

function lowerRounds(
  l: Lowering,
  node: ts.Statement,
  bind: Bind,
  body: ts.Statement,
  rounds: Rounds,
  unrollBudget = UNROLL_BUDGET,
): void {
  const size = countNodes(body);
  if (rounds.count >= MOST_ROUNDS) return l.fail(node, "WS2002", { rounds: rounds.count });
  const paths = rounds.count * countForks(body);
  if (rounds.count * size <= unrollBudget && (paths <= MOST_FORKS || indexes(body))) unroll(l, bind, body, rounds);
  else loop(l, bind, body, rounds);
}

function unroll(l: Lowering, bind: Bind, body: ts.Statement, { start, step, count, type }: Rounds): void {
  const end = l.builder.newBlock();
  for (let round = 0; round < count && !l.unreachable; round++) {
    const next = l.builder.newBlock();
    bind(l.int(start + BigInt(round) * step, type));
    lowerBody(l, body, end, next);
    l.builder.jump(next);
    l.builder.enter(next);
  }
  l.builder.jump(end);
  l.builder.enter(end);
}

function loop(l: Lowering, bind: Bind, body: ts.Statement, { start, step, count, type }: Rounds): void {
  const { builder } = l;
  const counter = newPlace(l, "counter", l.int(start, type), type);
  const head = builder.newBlock();
  const next = builder.newBlock();
  const end = builder.newBlock();
  const read = (): IntValue => {
    const value = readPlace(l, counter);
    if (value.kind !== "int") throw new Error("a counter is an integer");
    return value;
  };
  builder.jump(head);
  builder.enter(head, false);
  const epoch = l.epochs.at(head);
  const last = start + BigInt(count - 1) * step;
  if (start >= 0n && last >= 0n) {
    l.counters.set(read().ssa, start < last ? { least: start, most: last } : { least: last, most: start });
  }
  // The body runs at least once, so the test stands at the end of a round. Equality is exact, whatever the step.
  bind(read());
  lowerBody(l, body, end, next);
  builder.jump(next);
  builder.enter(next);
  if (!l.unreachable) {
    const increased = l.binary("add", read().ssa, builder.const(step));
    increased.rounds = count;
    writePlace(l, null, counter, { kind: "int", ssa: increased, type });
    // `<` rather than `!=` where it can be: the verifier then knows a bound for the counter.
    const beyond = start + BigInt(count) * step;
    const op = type.signed || step < 0n ? "ne" : "ult";
    // What is in the loop was built for views that are still good in the next round.
    if (l.epochs.at(builder.block) !== epoch) l.fail(body, "WS2023");
    builder.branch(l.compare(op, increased, builder.const(beyond)), head, end);
  }
  builder.seal(head);
  builder.enter(end);
}

/** `break` goes to `end`, `continue` to `next`. */
export function lowerBody(l: Lowering, body: ts.Statement, end: Block, next: Block): void {
  const frame = l.frames.at(-1);
  if (frame === undefined) throw new Error("a loop outside of any function");
  frame.loops.push({ break: end, continue: next });
  lowerStatement(l, body);
  frame.loops.pop();
}

function budgetOf(l: Lowering, name: ts.BindingName, body: ts.Statement): number {
  return ts.isIdentifier(name) && !mentions(l, body, name) ? EQUAL_ROUNDS_BUDGET : UNROLL_BUDGET;
}

function mentions(l: Lowering, node: ts.Node, counter: ts.Identifier): boolean {
  if (ts.isIdentifier(node)) return names(l, node, counter);
  return ts.forEachChild(node, (child) => mentions(l, child, counter)) ?? false;
}

/** Branches after which the round goes on: the verifier may walk on with each outcome on its own, through all rounds to come. */
function countForks(node: ts.Node): number {
  let count = ts.isConditionalExpression(node) || ts.isSwitchStatement(node) ? 1 : 0;
  if (ts.isIfStatement(node) && (node.elseStatement !== undefined || !leaves(node.thenStatement))) count++;
  ts.forEachChild(node, (child) => {
    count += countForks(child);
  });
  return count;
}

function leaves(node: ts.Statement): boolean {
  const last = ts.isBlock(node) ? node.statements.at(-1) : node;
  return last !== undefined && (ts.isReturnStatement(last) || ts.isBreakStatement(last));
}

/** `a[i]` may need its index to be a constant. */
function indexes(node: ts.Node): boolean {
  return ts.isElementAccessExpression(node) || (ts.forEachChild(node, (child) => indexes(child) || undefined) ?? false);
}

export function countNodes(node: ts.Node): number {
  let count = 1;
  ts.forEachChild(node, (child) => {
    count += countNodes(child);
  });
  return count;
}
