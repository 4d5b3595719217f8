/** The packet as the verifier lets us see it: `ctx.at(schema, offset)`, and copies of it. */
import type ts from "typescript";
import type { Value as Ssa } from "../ir/ir.ts";
import { upperBound } from "../ir/range.ts";
import { lowerExpression, lowerInt, present } from "./expressions.ts";
import type { SizedLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { withAddress } from "./maps.ts";
import { viewOf } from "./memory.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import type { Memory, Value } from "./values.ts";

/** The kernel checks packet offsets up to here, the accessed bytes included (MAX_PACKET_OFF). */
const MAX_PACKET_OFFSET = 0xffff;

/**
 * `ctx.at(schema, offset)`: the address, and whether the packet reaches far enough. The comparison has the one shape in which the
 * verifier learns the packet's bounds from it; an offset that it cannot bound is compared with the largest that a packet can have.
 */
export function at(l: Lowering, node: ts.CallExpression): Value {
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
    value: viewOf(
      { pointer, offset: inside.value.memory.offset, region: "packet", epoch: l.epochs.at(l.builder.block) },
      layout,
    ),
  };
}

function atConstant(l: Lowering, node: ts.Node, layout: SizedLayout, offset: bigint): Value {
  const end = offset + BigInt(layout.size);
  if (offset < 0n || end > BigInt(MAX_PACKET_OFFSET)) {
    return l.fail(node, "WS4002", { size: layout.size, offset: String(offset) });
  }
  const memory: Memory = { pointer: l.data, offset: Number(offset), region: "packet", epoch: l.epochs.at(l.builder.block) };
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
    isOffset(right.value) &&
    upperBound(left) <= BigInt(MAX_PACKET_OFFSET)
  ) {
    variable = left;
    constant = right.value;
  } else if (
    offset.op === "add" &&
    right !== undefined &&
    left?.op === "const" &&
    isOffset(left.value) &&
    upperBound(right) <= BigInt(MAX_PACKET_OFFSET)
  ) {
    variable = right;
    constant = left.value;
  }
  const pointer = l.binary("add", l.data, variable);
  const end = l.binary("add", pointer, l.builder.const(constant + BigInt(layout.size)));
  const memory: Memory = { pointer, offset: Number(constant), region: "packet", epoch: l.epochs.at(l.builder.block) };
  return { kind: "nullable", valid: l.compare("ule", end, l.dataEnd), value: viewOf(memory, layout) };
}

function isOffset(value: bigint): boolean {
  return value >= 0n && value <= BigInt(MAX_PACKET_OFFSET);
}

/** `ctx.meta(schema)`: what lies between data_meta and data. */
export function meta(l: Lowering, node: ts.CallExpression): Value {
  const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 0)));
  const pointer = l.builder.load(4, l.context, l.hook.bounds.dataMeta, "context", "ptr");
  const memory: Memory = {
    pointer,
    offset: 0,
    region: "packet",
    epoch: l.epochs.at(l.builder.block),
    metadata: true,
  };
  const valid = l.compare("ule", l.binary("add", pointer, l.builder.const(layout.size)), l.data);
  return { kind: "nullable", valid, value: viewOf(memory, layout) };
}

/** `ctx.loadBytes(offset, schema)`: a copy on the stack, which the helper fills; it answers 0, or a negative errno. */
export function loadBytes(l: Lowering, node: ts.CallExpression): Value {
  const offset = lowerInt(l, argument(l, node, 0), "loadBytes").ssa;
  const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 1)));
  const memory: Memory = { pointer: l.slot(layout.size), offset: 0, region: "stack" };
  const result = l.call(l.hook.copying.load, [l.context, offset, memory.pointer, l.builder.const(layout.size)]);
  return { kind: "nullable", valid: l.compare("eq", result, l.builder.const(0)), value: viewOf(memory, layout) };
}

/** `ctx.storeBytes(offset, schema, value)` on XDP, where the packet stays where it is. */
export function storeBytes(l: Lowering, node: ts.CallExpression): Value {
  const offset = lowerInt(l, argument(l, node, 0), "storeBytes").ssa;
  const layout = sizedLayoutOf(l, node, lowerExpression(l, argument(l, node, 1)));
  const valueNode = argument(l, node, 2);
  const value = present(lowerExpression(l, valueNode));
  const store = (address: Ssa) => l.call(l.hook.copying.store, [l.context, offset, address, l.builder.const(layout.size)]);
  // The helper takes no addresses in the packet.
  const result = withAddress(l, valueNode, layout, value, store, false);
  return l.bool(l.compare("eq", result, l.builder.const(0)));
}
