/** Lowers conditions straight to branches, so that `&&`, `||` and `!` cost no instruction of their own. */

import type { Block, Value as Ssa } from "../ir/ir.ts";
import { lowerExpression, present } from "./expressions.ts";
import type { Lowering } from "./lowering.ts";
import { readBytes } from "./memory.ts";
import ts from "./typescript.ts";
import { type BytesPlaceValue, type BytesValue, describeValue, type Value } from "./values.ts";

const K = ts.SyntaxKind;

/** Goes to `then` when `node` is true, else to `otherwise`. Leaves no current block. */
export function lowerCondition(l: Lowering, node: ts.Expression, then: Block, otherwise: Block): void {
  if (l.unreachable) return;
  if (ts.isParenthesizedExpression(node)) return lowerCondition(l, node.expression, then, otherwise);
  if (ts.isPrefixUnaryExpression(node) && node.operator === K.ExclamationToken) {
    return lowerCondition(l, node.operand, otherwise, then);
  }
  if (ts.isBinaryExpression(node)) {
    const operator = node.operatorToken.kind;
    if (operator === K.AmpersandAmpersandToken || operator === K.BarBarToken) {
      const next = l.builder.newBlock();
      if (operator === K.AmpersandAmpersandToken) lowerCondition(l, node.left, next, otherwise);
      else lowerCondition(l, node.left, then, next);
      l.builder.enter(next);
      return lowerCondition(l, node.right, then, otherwise);
    }
  }
  l.at(node, () => {
    const holds = l.attempt(() => truth(l, node, lowerExpression(l, node)));
    l.builder.branch(holds ?? l.eitherWay, then, otherwise);
  });
}

/** Whether `value` counts as true: integers but 0, and what is there of what may be null. */
export function truth(l: Lowering, node: ts.Node, value: Value): Ssa {
  switch (value.kind) {
    case "int":
      return value.type.bits === 1 ? value.ssa : l.compare("ne", value.ssa, l.builder.const(0));
    case "nullable": {
      const inner = present(value);
      // 0 and false are false even where null is the other possibility.
      if (inner.kind !== "int") return value.valid;
      return bothHold(l, value.valid, () => truth(l, node, inner));
    }
    case "null":
      return l.builder.const(0, "bool");
    case "view":
    case "ref":
    case "record":
    case "bytes":
    case "bytesPlace":
      return l.builder.const(1, "bool");
    default:
      return l.fail(node, "WS2010", { kind: describeValue(value) });
  }
}

/** The condition as a value. */
export function conditionOf(l: Lowering, node: ts.Expression): Ssa {
  if (!isCompound(node)) return truth(l, node, lowerExpression(l, node));
  return choose(l, (yes, no) => lowerCondition(l, node, yes, no));
}

function isCompound(node: ts.Expression): boolean {
  if (ts.isParenthesizedExpression(node)) return isCompound(node.expression);
  return (
    ts.isBinaryExpression(node) &&
    (node.operatorToken.kind === K.AmpersandAmpersandToken || node.operatorToken.kind === K.BarBarToken)
  );
}

function bothHold(l: Lowering, first: Ssa, second: () => Ssa): Ssa {
  return choose(l, (yes, no) => {
    const next = l.builder.newBlock();
    l.builder.branch(first, next, no);
    l.builder.enter(next);
    if (!l.unreachable) l.builder.branch(second(), yes, no);
  });
}

/** Whether both are there and the `same`, or both are `null`: `null` equals no integer, 0 neither. */
export function equalOrBothNull(l: Lowering, left: Value, right: Value, same: () => Ssa): Ssa {
  const thereOf = (value: Value) => (value.kind === "nullable" ? value.valid : l.builder.const(1, "bool"));
  const [leftThere, rightThere] = [thereOf(left), thereOf(right)];
  return choose(l, (yes, no) => {
    const leftIs = l.builder.newBlock();
    const leftIsNot = l.builder.newBlock();
    const both = l.builder.newBlock();
    l.builder.branch(leftThere, leftIs, leftIsNot);
    l.builder.enter(leftIsNot);
    if (!l.unreachable) l.builder.branch(rightThere, no, yes);
    l.builder.enter(leftIs);
    if (!l.unreachable) l.builder.branch(rightThere, both, no);
    l.builder.enter(both);
    if (!l.unreachable) l.builder.branch(same(), yes, no);
  });
}

/** 1 when `branch` goes to the first of two blocks, 0 when it goes to the second. */
export function choose(l: Lowering, branch: (yes: Block, no: Block) => void): Ssa {
  const { builder } = l;
  const yes = builder.newBlock();
  const no = builder.newBlock();
  const join = builder.newBlock();
  branch(yes, no);
  const args: Ssa[] = [];
  for (const [block, value] of [
    [yes, 1],
    [no, 0],
  ] as const) {
    builder.enter(block);
    if (l.unreachable) continue;
    args.push(builder.const(value, "bool"));
    builder.jump(join);
  }
  builder.enter(join);
  const [first] = args;
  if (first?.op === "const" && args.length === 1) return builder.const(first.value, "bool");
  return args.length === 0 ? builder.const(0, "bool") : builder.phi("bool", args);
}

/** `true` when both sides of `&&` or `||` are booleans or integers, so that the result is a boolean's worth of meaning. */
export function isConditionOnly(l: Lowering, node: ts.BinaryExpression): boolean {
  const type = l.checker.getTypeAtLocation(node);
  const parts = type.isUnion() ? type.types : [type];
  // `never` is what TypeScript makes of a boolean where tests before leave it no value.
  return parts.every((part) => (part.flags & (ts.TypeFlags.BooleanLike | ts.TypeFlags.Never)) !== 0);
}

/** Whether two byte arrays are equal, piece by piece, leaving at the first difference. */
export function equalBytes(
  l: Lowering,
  node: ts.Node,
  left: BytesPlaceValue | BytesValue,
  right: BytesPlaceValue | BytesValue,
): Ssa {
  const a = readBytes(l, node, left).chunks;
  const b = readBytes(l, node, right).chunks;
  return choose(l, (yes, no) => {
    a.forEach((chunk, index) => {
      const other = b[index];
      if (other === undefined || l.unreachable) return;
      const last = index === a.length - 1;
      const next = last ? yes : l.builder.newBlock();
      l.builder.branch(l.compare("eq", chunk.ssa, other.ssa), next, no);
      if (!last) l.builder.enter(next);
    });
  });
}
