/** Maps: their declarations, read at compile time, and what programs do with them. */
import type ts from "typescript";
import type { Value as Ssa } from "../ir/ir.ts";
import { declarationOf, useMap } from "./declarations.ts";
import { lowerExpression, lowerInt, present } from "./expressions.ts";
import { SCALARS, type ScalarLayout, type SizedLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { MAP_KINDS, type MapKind } from "./map-kinds.ts";
import { store, viewOf } from "./memory.ts";
import { readField } from "./places.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import { type IntValue, type MapDeclaration, type Memory, type RecordValue, U64, type Value } from "./values.ts";

const U32_LAYOUT = SCALARS.get("u32") as ScalarLayout; // always there

export function declareMap(l: Lowering, node: ts.CallExpression, kindName: string): Value {
  const declaration = declarationOf(node);
  if (declaration === null) return l.fail(node, "WS3002", { kind: "A map", call: kindName });
  const kind = kindOf(kindName);
  const options = lowerExpression(l, argument(l, node, 0));
  if (options.kind !== "record") return l.fail(node, "WS3005");
  const key = kind.key === "index" ? U32_LAYOUT : layoutOption(l, node, options, "key");
  if (kind.type === "LPM_TRIE" && !isPrefixKey(key)) return l.fail(node, "WS3011");
  const map: MapDeclaration = {
    name: declaration.name.getText(),
    kind,
    key,
    value: kind.value === "number" ? U32_LAYOUT : layoutOption(l, node, options, "value"),
    entries: entriesOf(l, node, options),
    pinned: pinnedOf(l, node, options),
    node: declaration,
  };
  return { kind: "map", map };
}

function kindOf(name: string): MapKind {
  const kind = MAP_KINDS[name];
  if (kind === undefined) throw new Error(`no map type ${name}`);
  return kind;
}

function layoutOption(l: Lowering, node: ts.Node, options: RecordValue, name: string): SizedLayout {
  const field = options.fields.get(name);
  // A devMapHash declares no key: its keys are numbers.
  return field === undefined ? U32_LAYOUT : sizedLayoutOf(l, node, readField(l, field));
}

/** A trie's key is a number of bits in host order, and the bytes that they are counted in. */
function isPrefixKey(key: SizedLayout): boolean {
  const first = key.kind === "struct" ? key.fields[0]?.layout : undefined;
  return first?.kind === "scalar" && first.name === "u32" && key.size > 4;
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

export function callMap(l: Lowering, node: ts.CallExpression, map: MapDeclaration, method: string): Value {
  useMap(l, map);
  if (method === "redirect") return redirect(l, node, map);
  if (method === "tailCall") return tailCall(l, node, map);
  const reference = (): Ssa => mapReference(l, map);
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

function mapReference(l: Lowering, map: MapDeclaration): Ssa {
  return l.builder.emit({ op: "map", type: "ptr", args: [], name: map.name });
}

/** bpf_redirect_map: the low bits of its flags are the action for a key that is not there. */
function redirect(l: Lowering, node: ts.CallExpression, map: MapDeclaration): Value {
  const key = lowerInt(l, argument(l, node, 0), "redirect").ssa;
  const fallback = node.arguments[1];
  const flags = fallback === undefined ? l.builder.const(0) : lowerInt(l, fallback, "redirect").ssa;
  return { kind: "int", ssa: l.call("redirect_map", [mapReference(l, map), key, flags]), type: U64 };
}

/** Comes back only when there is no such program, or 33 tail calls have been made. */
function tailCall(l: Lowering, node: ts.CallExpression, map: MapDeclaration): Value {
  const context = lowerExpression(l, argument(l, node, 0));
  if (context.kind !== "context") return l.fail(node, "WS2003", { name: `${map.name}.tailCall` });
  const index = lowerInt(l, argument(l, node, 1), "tailCall").ssa;
  l.call("tail_call", [l.context, mapReference(l, map), index]);
  return { kind: "void" };
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
export function withAddress<T>(l: Lowering, node: ts.Node, layout: SizedLayout, value: Value, use: (address: Ssa) => T): T {
  const place = placeOf(layout, value);
  if (place !== null) l.assertAlive(place);
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
