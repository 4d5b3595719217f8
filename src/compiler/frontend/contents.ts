/** What is done with places whole: comparing and exchanging what they hold, and seeing them under another schema. */
import { equalBytes } from "./conditions.ts";
import { lowerExpression, present } from "./expressions.ts";
import { layoutName, type SizedLayout, sameLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { withAddress } from "./maps.ts";
import { contentOf, readBytes, store, storeBytes, viewOf } from "./memory.ts";
import { settle } from "./places.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import { type Target, targetOf } from "./targets.ts";
import ts from "./typescript.ts";
import { type BytesPlaceValue, type BytesValue, describeValue, type Value, type ViewValue } from "./values.ts";

/** `equals(a, b)`: structs and arrays of one schema, byte arrays of one length. */
export function equalContents(l: Lowering, node: ts.CallExpression): Value {
  const [leftNode, rightNode] = [argument(l, node, 0), argument(l, node, 1)];
  const [left, right] = l.all(
    () => present(lowerExpression(l, leftNode)),
    () => present(lowerExpression(l, rightNode)),
  );
  const layout = layoutOf(left) ?? layoutOf(right);
  if (layout === null) return l.fail(leftNode, "WS2014", { target: "a struct or an array", kind: describeValue(left) });
  const equal = withContent(l, leftNode, layout, left, (one) =>
    withContent(l, rightNode, layout, right, (other) => equalBytes(l, node, one, other)),
  );
  return l.bool(equal);
}

function layoutOf(value: Value): SizedLayout | null {
  if (value.kind === "view") return value.layout;
  return value.kind === "bytes" || value.kind === "bytesPlace" ? { kind: "bytes", size: value.length } : null;
}

/** The bytes of `value`, laid down on the stack when it is a literal, or lies in memory in another way. */
function withContent<T>(
  l: Lowering,
  node: ts.Node,
  layout: SizedLayout,
  value: Value,
  use: (content: BytesPlaceValue | BytesValue) => T,
): T {
  if (value.kind === "bytes" || value.kind === "bytesPlace") {
    return value.length === layout.size ? use(value) : mismatch(l, node, layout, value);
  }
  if (value.kind === "view" && sameLayout(value.layout, layout)) return use(contentOf(value));
  return withAddress(l, node, layout, value, (pointer) =>
    use({ kind: "bytesPlace", length: layout.size, memory: { pointer, offset: 0, region: "stack" } }),
  );
}

function mismatch(l: Lowering, node: ts.Node, layout: SizedLayout, value: Value): never {
  return l.fail(node, "WS2014", { target: layoutName(layout), kind: describeValue(value) });
}

/** `swap(a, b)`: both are read before either is written. */
export function exchange(l: Lowering, node: ts.CallExpression): Value {
  const [leftNode, rightNode] = [argument(l, node, 0), argument(l, node, 1)];
  const [left, right] = [targetOf(l, leftNode), targetOf(l, rightNode)];
  const [one, other] = [present(left.read()), present(right.read())];
  if (one.kind === "view" && other.kind === "view") {
    if (!sameLayout(one.layout, other.layout)) return mismatch(l, rightNode, one.layout, other);
    exchangeContents(l, node, one, other);
    return { kind: "void" };
  }
  const [first, second] = [settle(l, leftNode, one), settle(l, rightNode, other)];
  write(l, leftNode, left, one, second);
  write(l, rightNode, right, other, first);
  return { kind: "void" };
}

/** A name for bytes in memory stands for that memory, as a view's name does, and not for a variable. */
function write(l: Lowering, node: ts.Expression, target: Target, old: Value, value: Value): void {
  if (!ts.isIdentifier(node) || old.kind !== "bytesPlace") target.write(value);
  else store(l, node, old.memory, { kind: "bytes", size: old.length }, value);
}

function exchangeContents(l: Lowering, node: ts.Node, left: ViewValue, right: ViewValue): void {
  const one = readBytes(l, node, contentOf(left), right.memory);
  const other = readBytes(l, node, contentOf(right), left.memory);
  storeBytes(l, left.memory, other);
  storeBytes(l, right.memory, one);
}

/** `viewAs(place, Schema)`. */
export function viewAs(l: Lowering, node: ts.CallExpression): Value {
  const placeNode = argument(l, node, 0);
  const place = present(lowerExpression(l, placeNode));
  const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 1)));
  if (place.kind !== "view" && place.kind !== "bytesPlace") {
    return l.fail(placeNode, "WS2083", { what: describeValue(place) });
  }
  const size = place.kind === "view" ? place.layout.size : place.length;
  if (layout.size > size) return l.fail(node, "WS2084", { name: layoutName(layout), wanted: layout.size, size });
  return viewOf(place.memory, layout);
}
