/**
 * `for` loops whose number of rounds is known only when they run: the limit or the start is a variable, or there is more to the condition than
 * the counter. That they end, and after how many rounds at most, must be provable all the same: some part of the condition compares the
 * counter with something that has a largest value, and each round brings it closer.
 */

import type { Block, Value as Ssa } from "../ir/ir.ts";
import { boundOf } from "./bounds.ts";
import { lowerCondition } from "./conditions.ts";
import { lowerExpression, present } from "./expressions.ts";
import { intTypeOf } from "./flavours.ts";
import { type Bind, comparisonWith, lowerBody, MOST_ROUNDS } from "./loops.ts";
import type { Lowering } from "./lowering.ts";
import { newPlace, readPlace, writePlace } from "./places.ts";
import ts from "./typescript.ts";
import { I64, type IntType, type IntValue, U64 } from "./values.ts";

const K = ts.SyntaxKind;

/** More than any packet has, in one buffer or in several: GSO_MAX_SIZE is half of it. */
const LONGEST_PACKET = 1n << 20n;

export interface VariableLoop {
  node: ts.Statement;
  start: IntValue;
  step: bigint;
  bind: Bind;
  body: ts.Statement;
}

/** `for (let i = start; condition; i += step)`. */
export function lowerVariableFor(l: Lowering, loop: VariableLoop, name: ts.Identifier, condition: ts.Expression): void {
  const declared = intTypeOf(l.checker, l.checker.getTypeAtLocation(name));
  const start = declared === null ? loop.start : l.wrap(loop.start, declared);
  const type = declared ?? (start.type.signed ? I64 : U64);
  const bounds = conjuncts(condition).map((part) => roundsBy(l, name, part, start, loop.step, type));
  const rounds = bounds.reduce<bigint | null>(
    (best, each) => (best === null || (each !== null && each < best) ? each : best),
    null,
  );
  if (rounds === null || rounds >= BigInt(MOST_ROUNDS)) {
    return l.fail(condition, "WS2095", { limit: rounds === null ? "no limit" : `a limit of ${rounds} only` });
  }
  build(l, { ...loop, start }, type, Number(rounds), (_counter, yes, no) => lowerCondition(l, condition, yes, no));
}

/** `for (const i of range(start, end))`. */
export function lowerVariableRange(l: Lowering, loop: VariableLoop, end: IntValue, endNode: ts.Node): void {
  const { most } = boundOf(l, end.ssa);
  if (end.type.signed || loop.start.type.signed || most >= BigInt(MOST_ROUNDS)) {
    return l.fail(endNode, "WS2095", { limit: end.type.signed ? "no limit" : `a limit of ${most} only` });
  }
  build(l, loop, U64, Number(most), (counter, yes, no) => l.builder.branch(l.compare("ult", counter, end.ssa), yes, no));
}

function build(
  l: Lowering,
  { start, step, bind, body }: VariableLoop,
  type: IntType,
  rounds: number,
  test: (counter: Ssa, yes: Block, no: Block) => void,
): void {
  const { builder } = l;
  const place = newPlace(l, "counter", start, type);
  const head = builder.newBlock();
  const inside = builder.newBlock();
  const next = builder.newBlock();
  const end = builder.newBlock();
  const read = (): IntValue => {
    const value = readPlace(l, place);
    if (value.kind !== "int") throw new Error("a counter is an integer");
    return value;
  };
  builder.jump(head);
  builder.enter(head, false);
  const epoch = l.epochs.at(head);
  bind(read());
  test(read().ssa, inside, end);
  builder.enter(inside);
  if (!l.unreachable) lowerBody(l, body, end, next);
  builder.jump(next);
  builder.enter(next);
  if (!l.unreachable) {
    const increased = l.binary("add", read().ssa, builder.const(step));
    // The test is made once more than the body.
    increased.rounds = rounds + 1;
    writePlace(l, null, place, { kind: "int", ssa: increased, type: { bits: 64, signed: type.signed } });
    // What is in the loop was built for views that are still good in the next round.
    if (l.epochs.at(builder.block) !== epoch) l.fail(body, "WS2023");
    builder.jump(head);
  }
  builder.seal(head);
  builder.enter(end);
}

/** The parts of `a && b && c`. */
function conjuncts(node: ts.Expression): ts.Expression[] {
  if (ts.isParenthesizedExpression(node)) return conjuncts(node.expression);
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== K.AmpersandAmpersandToken) return [node];
  return [...conjuncts(node.left), ...conjuncts(node.right)];
}

/** How many rounds there are at most while `part` holds; `null` when it says nothing about that. */
function roundsBy(
  l: Lowering,
  name: ts.Identifier,
  part: ts.Expression,
  start: IntValue,
  step: bigint,
  type: IntType,
): bigint | null {
  const comparison = comparisonWith(l, name, part);
  if (comparison === null || type.signed || step === 0n) return null;
  const size = step < 0n ? -step : step;
  const largest = (1n << BigInt(type.bits)) - 1n;
  if (step > 0n) {
    if (comparison.operator !== K.LessThanToken && comparison.operator !== K.LessThanEqualsToken) return null;
    const limit = largestOf(l, comparison.limit);
    if (limit === null) return null;
    const last = comparison.operator === K.LessThanToken ? limit - 1n : limit;
    // A counter that wraps before it reaches the limit never does.
    return last + size > largest ? null : last / size + 1n;
  }
  const limit = constantOf(l, comparison.limit);
  const isSafe =
    comparison.operator === K.GreaterThanToken
      ? size === 1n || (limit !== null && limit >= size - 1n)
      : comparison.operator === K.GreaterThanEqualsToken && limit !== null && limit >= size;
  return isSafe ? boundOf(l, start.ssa).most / size + 1n : null;
}

/** The largest number that the expression can be, now and in every round; `null` when there is none. */
function largestOf(l: Lowering, node: ts.Expression): bigint | null {
  const declared = intTypeOf(l.checker, l.checker.getTypeAtLocation(node));
  const byType = declared === null || declared.signed || declared.bits === 64 ? null : (1n << BigInt(declared.bits)) - 1n;
  const constant = constantOf(l, node);
  if (constant !== null) return constant < 0n ? null : constant;
  if (isPacketLength(l, node)) return LONGEST_PACKET;
  // A name that nobody assigns to is the same in every round.
  const named = ts.isIdentifier(node) ? constantNamed(l, node) : null;
  if (named === null) return byType;
  const value = present(lowerExpression(l, node));
  if (value.kind !== "int" || value.type.signed) return byType;
  if (named.initializer !== undefined && isPacketLength(l, named.initializer)) return LONGEST_PACKET;
  const { most } = boundOf(l, value.ssa);
  return byType !== null && byType < most ? byType : most;
}

function isPacketLength(l: Lowering, node: ts.Expression): boolean {
  return ts.isPropertyAccessExpression(node) && node.name.text === "length" && isContext(l, node.expression);
}

function isContext(l: Lowering, node: ts.Expression): boolean {
  return ts.isIdentifier(node) && lowerExpression(l, node).kind === "context";
}

/** The declaration of a name that is a `const`. */
function constantNamed(l: Lowering, node: ts.Identifier): ts.VariableDeclaration | null {
  const declaration = l.checker.getSymbolAtLocation(node)?.valueDeclaration;
  if (declaration === undefined || !ts.isVariableDeclaration(declaration)) return null;
  const list = declaration.parent;
  return ts.isVariableDeclarationList(list) && (list.flags & ts.NodeFlags.Const) !== 0 ? declaration : null;
}

function constantOf(l: Lowering, node: ts.Expression): bigint | null {
  if (
    !ts.isNumericLiteral(node) &&
    !(ts.isIdentifier(node) && constantNamed(l, node) !== null) &&
    !ts.isPropertyAccessExpression(node)
  )
    return null;
  if (ts.isPropertyAccessExpression(node) && node.name.text !== "size" && node.name.text !== "length") return null;
  const value = present(lowerExpression(l, node));
  return value.kind === "int" && value.ssa.op === "const" ? value.ssa.value : null;
}
