/** Calls of the kernel's helper functions that take more than integers. */

import type { Value as Ssa } from "../ir/ir.ts";
import { lowerExpression, lowerInt, present } from "./expressions.ts";
import type { Lowering } from "./lowering.ts";
import { withAddress } from "./maps.ts";
import { addressOf, store, storeZeros, viewOf } from "./memory.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import ts from "./typescript.ts";
import { type BytesPlaceValue, type BytesValue, describeValue, I64, type Memory, type Value } from "./values.ts";

/** Bytes of `struct bpf_fib_lookup`. */
const FIB_LOOKUP_SIZE = 64;

export function bytesArgument(l: Lowering, node: ts.Expression): BytesPlaceValue | BytesValue {
  const value = present(lowerExpression(l, node));
  if (value.kind === "bytes" || value.kind === "bytesPlace") return value;
  return l.fail(node, "WS2014", { target: "a byte array", kind: describeValue(value) });
}

export function csumDiff(l: Lowering, node: ts.CallExpression): Value {
  const seed = lowerInt(l, argument(l, node, 2), "csumDiff").ssa;
  const sum = (from: [Ssa, number], to: [Ssa, number]): Value => {
    const ssa = l.call("csum_diff", [from[0], l.builder.const(from[1]), to[0], l.builder.const(to[1]), seed]);
    return { kind: "int", ssa, type: I64 };
  };
  return withSummand(l, argument(l, node, 0), (from) => withSummand(l, argument(l, node, 1), (to) => sum(from, to)));
}

function withSummand<T>(l: Lowering, node: ts.Expression, use: (part: [Ssa, number]) => T): T {
  const value = present(lowerExpression(l, node));
  if (value.kind === "null") return use([l.builder.const(0), 0]);
  if (value.kind !== "bytes" && value.kind !== "bytesPlace") {
    return l.fail(node, "WS2014", { target: "a byte array", kind: describeValue(value) });
  }
  if (value.length % 4 !== 0) return l.fail(node, "WS2015");
  return withAddress(l, node, { kind: "bytes", size: value.length }, value, (address) => use([address, value.length]));
}

/** bpf_trace_printk(text, size, values…): the text lies in `.rodata`. */
export function trace(l: Lowering, node: ts.TaggedTemplateExpression): Value {
  const { template } = node;
  const spans = ts.isTemplateExpression(template) ? [...template.templateSpans] : [];
  const texts = ts.isTemplateExpression(template)
    ? [template.head.text, ...spans.map((span) => span.literal.text)]
    : [template.text];
  // What the kernel takes for the text: printable ASCII.
  if (spans.length > 3 || texts.some((text) => !/^[\x20-\x7e]*$/.test(text))) return l.fail(node, "WS2012");
  const values = spans.map((span) => lowerInt(l, span.expression, "trace"));
  const format = texts
    .map((text, index) => {
      const value = values[index];
      return text.replaceAll("%", "%%") + (value === undefined ? "" : value.type.signed ? "%lld" : "%llu");
    })
    .join("");
  const text = l.builder.emit({ op: "data", type: "ptr", args: [], section: ".rodata", offset: l.module.readonlyText(format) });
  l.call("trace_printk", [text, l.builder.const(format.length + 1), ...values.map((value) => value.ssa)]);
  return { kind: "void" };
}

/** `local(schema, value)`: memory of its own on the stack. */
export function declareLocal(l: Lowering, node: ts.CallExpression): Value {
  const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 0)));
  const valueNode = node.arguments[1];
  const value = valueNode === undefined ? null : present(lowerExpression(l, valueNode));
  const memory: Memory = { pointer: l.slot(layout.size), offset: 0, region: "stack" };
  if (value === null) storeZeros(l, memory, layout.size);
  else store(l, valueNode ?? node, memory, layout, value);
  return viewOf(memory, layout);
}

/** bpf_fib_lookup(ctx, params, size of params, flags). */
export function lookUpRoute(l: Lowering, node: ts.CallExpression): Value {
  const context = lowerExpression(l, argument(l, node, 0));
  const params = present(lowerExpression(l, argument(l, node, 1)));
  if (context.kind !== "context") return l.fail(node, "WS2003", { name: "fibLookup" });
  if (params.kind !== "view" || params.memory.region !== "stack" || params.layout.size !== FIB_LOOKUP_SIZE) {
    return l.fail(argument(l, node, 1), "WS2024", { size: FIB_LOOKUP_SIZE });
  }
  const flags = lowerInt(l, argument(l, node, 2), "fibLookup").ssa;
  const size = l.builder.const(FIB_LOOKUP_SIZE);
  return { kind: "int", ssa: l.call("fib_lookup", [l.context, addressOf(l, params.memory), size, flags]), type: I64 };
}
