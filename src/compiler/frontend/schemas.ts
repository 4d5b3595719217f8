/** Schemas of the source, read at compile time: `struct`, `bytes`, `bits`, the integer types, and casts to them. */
import type ts from "typescript";
import { lowerExpression, lowerInt } from "./expressions.ts";
import { arrayLayout, type Layout, overlayLayout, SCALARS, type SizedLayout, structLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { constantBytes, intTypeOfLayout, replaceByte } from "./memory.ts";
import { unusableName } from "./names.ts";
import { readField } from "./places.ts";
import type { Value } from "./values.ts";

/** Argument `index` of a call; the checker has seen that it is there. */
export function argument(l: Lowering, node: ts.CallExpression, index: number): ts.Expression {
  return node.arguments[index] ?? l.fail(node, "WS2003", { name: node.expression.getText() });
}

/** The number that sizes a schema, at argument `index`. */
export function schemaNumber(l: Lowering, node: ts.CallExpression, least: number, most: number, index = 0): number {
  const numberNode = argument(l, node, index);
  const value = lowerExpression(l, numberNode);
  if (value.kind !== "int" || value.ssa.op !== "const") return l.fail(node, "WS3003");
  const number = Number(value.ssa.value);
  if (number >= least && number <= most) return number;
  return l.fail(numberNode, "WS3014", { call: node.getText(), least, most });
}

export function declareStruct(l: Lowering, node: ts.CallExpression): Value {
  const fields = lowerExpression(l, argument(l, node, 0));
  if (fields.kind !== "record") return l.fail(node, "WS3003");
  if (fields.fields.size === 0) return l.fail(node, "WS3015");
  const layouts = [...fields.fields].map(([name, field]): [string, Layout] => [name, layoutOf(l, node, readField(l, field))]);
  for (const [name] of layouts) {
    const reason = unusableName(name);
    if (reason !== null) return l.fail(node, "WS3009", { name, reason });
  }
  const layout = structLayout("", layouts);
  return "incomplete" in layout ? l.fail(node, "WS3004", { name: layout.incomplete }) : { kind: "schema", layout };
}

/** `overlay({ v4: be32, v6: bytes(16) })`. */
export function declareOverlay(l: Lowering, node: ts.CallExpression): Value {
  const members = lowerExpression(l, argument(l, node, 0));
  if (members.kind !== "record" || members.fields.size === 0) return l.fail(node, "WS3003");
  const layouts = [...members.fields].map(([name, field]): [string, SizedLayout] => [
    name,
    sizedLayoutOf(l, node, readField(l, field)),
  ]);
  return { kind: "schema", layout: overlayLayout(layouts) };
}

/** `arrayOf(u32, 4)`. */
export function declareArray(l: Lowering, node: ts.CallExpression): Value {
  const element = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 0)));
  const length = schemaNumber(l, node, 1, 0xffff, 1);
  return { kind: "schema", layout: arrayLayout(element, length) };
}

/** The layout that a value of the source names: a schema, or one of the integer types. */
function layoutOf(l: Lowering, node: ts.Node, value: Value): Layout {
  if (value.kind === "schema") return value.layout;
  const scalar = value.kind === "intrinsic" ? SCALARS.get(value.name) : undefined;
  return scalar ?? l.fail(node, "WS3003");
}

export function sizedLayoutOf(l: Lowering, node: ts.Node, value: Value): SizedLayout {
  const layout = layoutOf(l, node, value);
  return layout.kind === "bits" ? l.fail(node, "WS3013", { bits: layout.bits }) : layout;
}

/** `u16(x)`, and `mac(0x02, 0, 0, 0, 0, 1)`. */
export function cast(l: Lowering, node: ts.CallExpression, layout: Layout): Value {
  if (layout.kind === "scalar") return l.wrap(lowerInt(l, argument(l, node, 0), layout.name), intTypeOfLayout(layout));
  if (layout.kind !== "bytes") return l.fail(node, "WS2003", { name: node.expression.getText() });
  if (node.arguments.length > layout.size)
    return l.fail(node, "WS2014", { target: `${layout.size} bytes`, kind: `${node.arguments.length} numbers` });
  const bytes = node.arguments.map((part) => lowerInt(l, part, "a byte"));
  const constants = bytes.map(({ ssa }) => (ssa.op === "const" ? Number(BigInt.asUintN(8, ssa.value)) : 0));
  const known = constantBytes(l, [...constants, ...new Array<number>(layout.size - bytes.length).fill(0)]);
  return bytes.reduce((all, byte, index) => (byte.ssa.op === "const" ? all : replaceByte(l, all, index, byte)), known);
}
