/** What the names of `wirescript/kernel` do: schemas and maps are read at compile time, the rest becomes instructions. */
import ts from "typescript";
import type { Value as Ssa } from "../ir/ir.ts";
import { upperBound } from "../ir/range.ts";
import { equalBytes } from "./conditions.ts";
import { declarationOf, useMap } from "./declarations.ts";
import { lowerExpression, lowerInt, present } from "./expressions.ts";
import { type Layout, SCALARS, type ScalarLayout, type SizedLayout, structLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { constantBytes, intTypeOfLayout, store, viewOf } from "./memory.ts";
import { readField } from "./places.ts";
import {
  type BytesPlaceValue,
  type BytesValue,
  describeValue,
  I64,
  type IntValue,
  type MapDeclaration,
  type Memory,
  type RecordValue,
  U32,
  U64,
  type Value,
} from "./values.ts";

type CallNode = ts.CallExpression | ts.TaggedTemplateExpression;
type Intrinsic = Extract<Value, { kind: "intrinsic" }>;

const MAP_KINDS = new Set(["array", "perCpuArray", "hash", "perCpuHash", "lruHash"]);

/** The kernel checks packet offsets up to here, the accessed bytes included (MAX_PACKET_OFF). */
const MAX_PACKET_OFFSET = 0xffff;

export function callIntrinsic(l: Lowering, node: CallNode, { name, receiver }: Intrinsic): Value {
  if (ts.isTaggedTemplateExpression(node)) return trace(l, node);
  if (receiver?.kind === "map") return callMap(l, node, receiver.map, name);
  if (receiver?.kind === "context" && name === "at") return at(l, node);
  if (receiver?.kind === "schema") return cast(l, node, receiver.layout);
  if ((receiver?.kind === "bytes" || receiver?.kind === "bytesPlace") && name === "equals") {
    return l.bool(equalBytes(l, node, receiver, bytesArgument(l, argument(l, node, 0))));
  }
  if (MAP_KINDS.has(name)) return declareMap(l, node, name);
  const scalar = SCALARS.get(name);
  if (scalar !== undefined) return cast(l, node, scalar);
  switch (name) {
    case "struct":
      return declareStruct(l, node);
    case "bytes":
      return { kind: "schema", layout: { kind: "bytes", size: schemaNumber(l, node, 1, 0xffff) } };
    case "bits":
      return { kind: "schema", layout: { kind: "bits", bits: schemaNumber(l, node, 1, 32) } };
    case "xdp":
      return { kind: "program" };
    case "redirect":
      return {
        kind: "int",
        ssa: l.call("redirect", [lowerInt(l, argument(l, node, 0), name).ssa, l.builder.const(0)]),
        type: U64,
      };
    case "ktimeGetNs":
      return { kind: "int", ssa: l.call("ktime_get_ns", []), type: U64 };
    case "getPrandomU32":
      return l.wrap({ kind: "int", ssa: l.call("get_prandom_u32", []), type: U64 }, U32);
    case "getSmpProcessorId":
      return l.wrap({ kind: "int", ssa: l.call("get_smp_processor_id", []), type: U64 }, U32);
    case "csumDiff":
      return csumDiff(l, node);
    default:
      return l.fail(node, "WS2003", { name });
  }
}

function argument(l: Lowering, node: ts.CallExpression, index: number): ts.Expression {
  return node.arguments[index] ?? l.fail(node, "WS2003", { name: node.expression.getText() });
}

// -- schemas --

function schemaNumber(l: Lowering, node: ts.CallExpression, least: number, most: number): number {
  const value = lowerExpression(l, argument(l, node, 0));
  if (value.kind !== "int" || value.ssa.op !== "const") return l.fail(node, "WS3003");
  const number = Number(value.ssa.value);
  return number >= least && number <= most ? number : l.fail(node, "WS3003");
}

function declareStruct(l: Lowering, node: ts.CallExpression): Value {
  const fields = lowerExpression(l, argument(l, node, 0));
  if (fields.kind !== "record") return l.fail(node, "WS3003");
  const layouts = [...fields.fields].map(([name, field]): [string, Layout] => [name, layoutOf(l, node, readField(l, field))]);
  const layout = structLayout("", layouts);
  return "incomplete" in layout ? l.fail(node, "WS3004", { name: layout.incomplete }) : { kind: "schema", layout };
}

/** The layout that a value of the source names: a schema, or one of the integer types. */
function layoutOf(l: Lowering, node: ts.Node, value: Value): Layout {
  if (value.kind === "schema") return value.layout;
  const scalar = value.kind === "intrinsic" ? SCALARS.get(value.name) : undefined;
  return scalar ?? l.fail(node, "WS3003");
}

function sizedLayoutOf(l: Lowering, node: ts.Node, value: Value): SizedLayout {
  const layout = layoutOf(l, node, value);
  return layout.kind === "bits" ? l.fail(node, "WS3003") : layout;
}

/** `u16(x)`, and `mac(0x02, 0, 0, 0, 0, 1)`. */
function cast(l: Lowering, node: ts.CallExpression, layout: Layout): Value {
  if (layout.kind === "scalar")
    return l.wrap(lowerInt(l, argument(l, node, 0), layout.name), intTypeOfLayout(layout as ScalarLayout));
  if (layout.kind !== "bytes") return l.fail(node, "WS2003", { name: node.expression.getText() });
  if (node.arguments.length > layout.size)
    return l.fail(node, "WS2014", { target: `${layout.size} bytes`, kind: `${node.arguments.length} numbers` });
  const bytes = node.arguments.map((part) => {
    const { ssa } = lowerInt(l, part, "a byte");
    return ssa.op === "const" ? Number(BigInt.asUintN(8, ssa.value)) : l.fail(part, "WS3003");
  });
  return constantBytes(l, [...bytes, ...new Array<number>(layout.size - bytes.length).fill(0)]);
}

// -- the packet --

/**
 * `ctx.at(schema, offset)`: the address, and whether the packet reaches far enough. The comparison has the one shape in which the
 * verifier learns the packet's bounds from it; an offset that it cannot bound is compared with the largest that a packet can have.
 */
function at(l: Lowering, node: ts.CallExpression): Value {
  const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 0)));
  const offsetNode = node.arguments[1];
  const offset: Ssa = offsetNode === undefined ? l.builder.const(0) : lowerInt(l, offsetNode, "at").ssa;
  if (offset.op === "const") return atConstant(l, node, layout, offset.value);
  const most = BigInt(MAX_PACKET_OFFSET - layout.size);
  if (upperBound(offset) <= most) return atVariable(l, layout, offset);
  const there = l.builder.newBlock();
  const beyond = l.builder.newBlock();
  const end = l.builder.newBlock();
  l.builder.branch(l.compare("ule", offset, l.builder.const(most)), there, beyond);
  l.builder.enter(there);
  const inside = atVariable(l, layout, offset);
  const thereEnd = l.builder.block;
  l.builder.jump(end);
  l.builder.enter(beyond);
  const none = l.builder.const(0, "bool");
  const nowhere = l.builder.const(0, "ptr");
  l.builder.jump(end);
  l.builder.enter(end);
  if (thereEnd === null || inside.kind !== "nullable" || !("memory" in inside.value)) return inside;
  const pointer = l.builder.phi("ptr", [inside.value.memory.pointer, nowhere]);
  return {
    kind: "nullable",
    valid: l.builder.phi("bool", [inside.valid, none]),
    value: viewOf({ pointer, offset: inside.value.memory.offset, region: "packet" }, layout),
  };
}

function atConstant(l: Lowering, node: ts.Node, layout: SizedLayout, offset: bigint): Value {
  const end = offset + BigInt(layout.size);
  if (offset < 0n || end > BigInt(MAX_PACKET_OFFSET)) return l.fail(node, "WS4002", { offset: String(offset) });
  const memory: Memory = { pointer: l.data, offset: Number(offset), region: "packet" };
  const valid = l.compare("ule", l.binary("add", l.data, l.builder.const(end)), l.dataEnd);
  return { kind: "nullable", valid, value: viewOf(memory, layout) };
}

/** The constant part of the offset goes into the accesses, so that only the variable part costs an addition. */
function atVariable(l: Lowering, layout: SizedLayout, offset: Ssa): Value {
  let variable = offset;
  let constant = 0n;
  const [left, right] = offset.args;
  if (
    offset.op === "add" &&
    left !== undefined &&
    right?.op === "const" &&
    right.value >= 0n &&
    upperBound(left) <= BigInt(MAX_PACKET_OFFSET)
  ) {
    variable = left;
    constant = right.value;
  } else if (
    offset.op === "add" &&
    right !== undefined &&
    left?.op === "const" &&
    left.value >= 0n &&
    upperBound(right) <= BigInt(MAX_PACKET_OFFSET)
  ) {
    variable = right;
    constant = left.value;
  }
  const pointer = l.binary("add", l.data, variable);
  const end = l.binary("add", pointer, l.builder.const(constant + BigInt(layout.size)));
  const memory: Memory = { pointer, offset: Number(constant), region: "packet" };
  return { kind: "nullable", valid: l.compare("ule", end, l.dataEnd), value: viewOf(memory, layout) };
}

// -- maps --

function declareMap(l: Lowering, node: ts.CallExpression, type: string): Value {
  const declaration = declarationOf(node);
  if (declaration === null) return l.fail(node, "WS3002", { kind: "A map", call: type });
  const options = lowerExpression(l, argument(l, node, 0));
  if (options.kind !== "record") return l.fail(node, "WS3005");
  const key = options.fields.get("key");
  const value = options.fields.get("value");
  if (value === undefined) return l.fail(node, "WS3005");
  const map: MapDeclaration = {
    name: declaration.name.getText(),
    type,
    key: key === undefined ? (SCALARS.get("u32") as ScalarLayout) : sizedLayoutOf(l, node, readField(l, key)),
    value: sizedLayoutOf(l, node, readField(l, value)),
    entries: entriesOf(l, node, options),
    pinned: pinnedOf(l, node, options),
    node: declaration,
  };
  return { kind: "map", map };
}

function entriesOf(l: Lowering, node: ts.Node, options: RecordValue): number {
  const field = options.fields.get("entries");
  const value = field === undefined ? null : readField(l, field);
  if (value?.kind !== "int" || value.ssa.op !== "const") return l.fail(node, "WS3005");
  const entries = Number(value.ssa.value);
  return entries >= 1 && entries <= 0xffff_ffff ? entries : l.fail(node, "WS3005");
}

function pinnedOf(l: Lowering, node: ts.Node, options: RecordValue): boolean {
  const field = options.fields.get("pinned");
  if (field === undefined) return false;
  const value = readField(l, field);
  return value.kind === "int" && value.ssa.op === "const" ? value.ssa.value !== 0n : l.fail(node, "WS3005");
}

const UPDATE_FLAGS: Record<string, number> = { any: 0, noexist: 1, exist: 2 };

function callMap(l: Lowering, node: ts.CallExpression, map: MapDeclaration, method: string): Value {
  useMap(l, map);
  const reference = (): Ssa => l.builder.emit({ op: "map", type: "ptr", args: [], name: map.name });
  const key = present(lowerExpression(l, argument(l, node, 0)));
  const keyNode = argument(l, node, 0);
  switch (method) {
    case "lookup":
      return withAddress(l, keyNode, map.key, key, (keyAddress) => {
        const pointer = l.call("map_lookup_elem", [reference(), keyAddress], "ptr");
        const valid = l.compare("ne", pointer, l.builder.const(0));
        return { kind: "nullable", valid, value: viewOf({ pointer, offset: 0, region: "map" }, map.value) };
      });
    case "update": {
      const valueNode = argument(l, node, 1);
      const value = present(lowerExpression(l, valueNode));
      const flags = l.builder.const(updateFlags(l, node));
      return withAddress(l, keyNode, map.key, key, (keyAddress) =>
        withAddress(l, valueNode, map.value, value, (valueAddress) =>
          succeeded(l, l.call("map_update_elem", [reference(), keyAddress, valueAddress, flags])),
        ),
      );
    }
    case "delete":
      return withAddress(l, keyNode, map.key, key, (keyAddress) =>
        succeeded(l, l.call("map_delete_elem", [reference(), keyAddress])),
      );
    default:
      return l.fail(node, "WS2003", { name: `${map.name}.${method}` });
  }
}

function updateFlags(l: Lowering, node: ts.CallExpression): number {
  const mode = node.arguments[2];
  if (mode === undefined) return 0;
  const value = lowerExpression(l, mode);
  const flags = value.kind === "string" ? UPDATE_FLAGS[value.text] : undefined;
  return flags ?? l.fail(mode, "WS2017");
}

/** Helpers answer 0 for success, else a negative errno. */
function succeeded(l: Lowering, result: Ssa): IntValue {
  return l.bool(l.compare("eq", result, l.builder.const(0)));
}

/** Runs `use` with the address of `value` in memory: where it lies already, or built on the stack, every byte of it. */
function withAddress<T>(l: Lowering, node: ts.Node, layout: SizedLayout, value: Value, use: (address: Ssa) => T): T {
  const place = placeOf(layout, value);
  if (place !== null)
    return use(place.offset === 0 ? place.pointer : l.binary("add", place.pointer, l.builder.const(place.offset)));
  return l.withSlot(layout.size, (slot) => {
    store(l, node, { pointer: slot, offset: 0, region: "stack" }, layout, value);
    return use(slot);
  });
}

/** Keys and values in the packet or in a map are used where they are; the kernel's helpers take those addresses. */
function placeOf(layout: SizedLayout, value: Value): Memory | null {
  if (layout.kind === "bytes" && value.kind === "bytesPlace" && value.length === layout.size) return value.memory;
  if (layout.kind === "struct" && value.kind === "view" && value.layout.size === layout.size) return value.memory;
  return null;
}

// -- helpers --

function bytesArgument(l: Lowering, node: ts.Expression): BytesPlaceValue | BytesValue {
  const value = present(lowerExpression(l, node));
  if (value.kind === "bytes" || value.kind === "bytesPlace") return value;
  return l.fail(node, "WS2014", { target: "a byte array", kind: describeValue(value) });
}

function csumDiff(l: Lowering, node: ts.CallExpression): Value {
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
function trace(l: Lowering, node: ts.TaggedTemplateExpression): Value {
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
