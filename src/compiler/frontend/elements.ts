/**
 * Elements of arrays. A constant index is checked here; any other must be provably below the length, and the verifier must see so too:
 * where it does not, the index is compared once more, and where the address lies in the packet, the address. No run can fail these
 * comparisons, so what follows a failure is only something that ends.
 */
import type ts from "typescript";
import type { Block, Value as Ssa } from "../ir/ir.ts";
import { boundOf } from "./bounds.ts";
import { type BytesLayout, SCALARS, type ScalarLayout, type SizedLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { byteAt, load, readBytes, replaceByte, storeBytes, storeScalar } from "./memory.ts";
import { readField } from "./places.ts";
import { type BytesValue, describeValue, type IntValue, type Memory, type Value } from "./values.ts";

const BYTE = SCALARS.get("u8") as ScalarLayout; // always there

export interface ElementPlace {
  memory: Memory;
  layout: SizedLayout;
}

/** How many elements `array` has; `null` when it is no array. */
export function lengthOf(array: Value): number | null {
  if (array.kind === "bytes" || array.kind === "bytesPlace") return array.length;
  if (array.kind === "record") return array.length ?? null;
  return array.kind === "view" && array.layout.kind === "array" ? array.layout.length : null;
}

/** `array[index]`. Messages point at `node`, the index. */
export function readElement(l: Lowering, node: ts.Node, array: Value, index: IntValue): Value {
  const place = elementPlace(l, node, array, index);
  if (place !== null) return load(l, place.memory, place.layout);
  const length = lengthOf(array);
  if (length === null) return l.fail(node, "WS2013", { operator: "[…]", kind: describeValue(array) });
  if (index.ssa.op === "const") {
    const at = constantIndex(l, node, index.ssa.value, length);
    if (array.kind === "bytes") return byteAt(l, array, at);
    const field = array.kind === "record" ? array.fields.get(String(at)) : undefined;
    return field === undefined ? l.fail(node, "WS2009", { last: length - 1 }) : readField(l, field);
  }
  if (array.kind !== "bytes") return l.fail(node, "WS2081");
  // A byte array that is held in registers has no addresses: it is laid down for this.
  return l.withSlot(length, (pointer) => {
    const memory: Memory = { pointer, offset: 0, region: "stack" };
    storeBytes(l, memory, array);
    return load(l, indexed(l, node, memory, BYTE, length, index), BYTE);
  });
}

/** `array` with another byte at `index`, which `readElement` has checked. */
export function withByte(l: Lowering, node: ts.Node, array: BytesValue, index: IntValue, byte: IntValue): BytesValue {
  if (index.ssa.op === "const") return replaceByte(l, array, constantIndex(l, node, index.ssa.value, array.length), byte);
  return l.withSlot(array.length, (pointer) => {
    const memory: Memory = { pointer, offset: 0, region: "stack" };
    storeBytes(l, memory, array);
    storeScalar(l, indexed(l, node, memory, BYTE, array.length, index), BYTE, byte);
    return readBytes(l, node, { kind: "bytesPlace", length: array.length, memory });
  });
}

/** Where `array[index]` lies; `null` when `array` is not in memory. */
export function elementPlace(l: Lowering, node: ts.Node, array: Value, index: IntValue): ElementPlace | null {
  if (array.kind === "bytesPlace") {
    return { memory: indexed(l, node, array.memory, BYTE, array.length, index), layout: BYTE };
  }
  if (array.kind !== "view" || array.layout.kind !== "array") return null;
  const { element, length } = array.layout;
  return { memory: indexed(l, node, array.memory, element, length, index), layout: element };
}

function constantIndex(l: Lowering, node: ts.Node, index: bigint, length: number): number {
  return index >= 0n && index < BigInt(length) ? Number(index) : l.fail(node, "WS2009", { last: length - 1 });
}

function indexed(
  l: Lowering,
  node: ts.Node,
  memory: Memory,
  { size }: ScalarLayout | BytesLayout | SizedLayout,
  length: number,
  { ssa }: IntValue,
): Memory {
  if (ssa.op === "const") return { ...memory, offset: memory.offset + constantIndex(l, node, ssa.value, length) * size };
  const last = BigInt(length - 1);
  const { most, verified } = boundOf(l, ssa);
  if (most > last) return l.fail(node, "WS2080", { length, last: length - 1 });
  l.assertAlive(memory);
  const never = verified > last ? demand(l, l.compare("ule", ssa, l.builder.const(last))) : null;
  const distance = size === 1 ? ssa : l.binary("mul", ssa, l.builder.const(size));
  const pointer = l.binary("add", memory.pointer, distance);
  if (never !== null) l.demands.set(never, { of: "index", taker: size === 1 ? pointer : distance });
  // A packet address plus a variable is a new address to the verifier, of which it has checked nothing yet.
  if (memory.region === "packet") {
    const end = l.binary("add", pointer, l.builder.const(memory.offset + size));
    const outside = demand(l, l.compare("ule", end, memory.metadata === true ? l.data : l.dataEnd));
    if (outside !== null) l.demands.set(outside, { of: "address", pointer, end });
  }
  return { ...memory, pointer };
}

/**
 * Tells the verifier what is always true: on the other path, which no packet takes, the program ends. Gives the block in which it does;
 * `null` where nothing of this can be reached.
 */
function demand(l: Lowering, condition: Ssa): Block | null {
  const there = l.builder.newBlock();
  const never = l.builder.newBlock();
  l.builder.branch(condition, there, never);
  l.builder.enter(never);
  const reached = l.builder.block;
  if (reached !== null) l.builder.return(l.builder.const(0));
  l.builder.enter(there);
  return reached;
}
