/** What programs do with maps: `lookup`, `update` and the methods of the other types. */
import type ts from "typescript";
import type { Value as Ssa } from "../ir/ir.ts";
import { useMap } from "./declarations.ts";
import { lowerExpression, lowerInt, present } from "./expressions.ts";
import { type SizedLayout, sameLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { BPF_F_RDONLY_PROG } from "./map-kinds.ts";
import { addressOf, store, viewOf } from "./memory.ts";
import { callQueue } from "./queues.ts";
import { callRingBuffer } from "./ring-buffers.ts";
import { argument } from "./schemas.ts";
import { stackPhaseOf } from "./stack-phase.ts";
import { type IntValue, type MapDeclaration, type MapValue, type Memory, U64, type Value } from "./values.ts";

/** The length of a prefix is not kept with its bytes. */
const PREFIX_LENGTH_SIZE = 4;

const UPDATE_FLAGS: Record<string, number> = { any: 0, noexist: 1, exist: 2 };

/** A map as programs reach it: by its name, or by the address that was looked up in another one. */
export type MapHandle = MapDeclaration & { pointer?: Ssa | undefined };

export function callMap(l: Lowering, node: ts.CallExpression, receiver: MapValue, method: string): Value {
  const map: MapHandle = { ...receiver.map, pointer: receiver.pointer };
  if (!map.kind.methods.includes(method)) return l.fail(node, "WS2003", { name: `${map.name}.${method}` });
  if (receiver.pointer === undefined) useMap(l, receiver.map);
  if (method === "redirect") return redirect(l, node, map);
  if (method === "tailCall") return tailCall(l, node, map);
  if (map.kind.type === "RINGBUF") return callRingBuffer(l, node, map, method);
  if (map.value === null) throw new Error(`${map.name} has no values`);
  if (map.key === null) return callQueue(l, node, { ...map, value: map.value }, method);
  return callTable(l, node, { ...map, key: map.key, value: map.value }, method);
}

/** A map that has both. */
type Table = MapHandle & { key: SizedLayout; value: SizedLayout };

function callTable(l: Lowering, node: ts.CallExpression, map: Table, method: string): Value {
  const { key: keyLayout } = map;
  const reference = (): Ssa => mapReference(l, map);
  const keyNode = argument(l, node, 0);
  const key = present(lowerExpression(l, keyNode));
  const isReadOnly = (map.flags & BPF_F_RDONLY_PROG) !== 0;
  if (isReadOnly && (method === "update" || method === "delete")) return l.fail(node, "WS2076");
  switch (method) {
    case "update": {
      const valueNode = argument(l, node, 1);
      const value = present(lowerExpression(l, valueNode));
      const flags = l.builder.const(modeOf(l, node, 2, UPDATE_FLAGS));
      return withAddress(l, keyNode, keyLayout, key, (keyAddress) =>
        withAddress(l, valueNode, map.value, value, (valueAddress) =>
          succeeded(l, l.call("map_update_elem", [reference(), keyAddress, valueAddress, flags])),
        ),
      );
    }
    case "delete":
      return withAddress(l, keyNode, keyLayout, key, (keyAddress) =>
        succeeded(l, l.call("map_delete_elem", [reference(), keyAddress])),
      );
    default: {
      const cpu = method === "lookupPerCpu" ? [lowerInt(l, argument(l, node, 1), method).ssa] : [];
      const helper = method === "lookupPerCpu" ? "map_lookup_percpu_elem" : "map_lookup_elem";
      return withAddress(l, keyNode, keyLayout, key, (keyAddress) => {
        const pointer = l.call(helper, [reference(), keyAddress, ...cpu], "ptr", alignmentOfElements(map));
        const valid = l.compare("ne", pointer, l.builder.const(0));
        if (map.inner !== null) return { kind: "nullable", valid, value: { kind: "map", map: map.inner, pointer } };
        const memory: Memory = { pointer, offset: 0, region: "map", ...(isReadOnly && { readonly: true }) };
        return { kind: "nullable", valid, value: viewOf(memory, map.value) };
      });
    }
  }
}

/** A trie keeps each value right behind the bytes of its key (struct lpm_trie_node); other maps align them to 8. */
function alignmentOfElements({ kind, key }: Table): number {
  if (kind.type !== "LPM_TRIE") return 8;
  return [8, 4, 2].find((size) => (key.size - PREFIX_LENGTH_SIZE) % size === 0) ?? 1;
}

export function mapReference(l: Lowering, map: MapHandle): Ssa {
  if (map.pointer !== undefined) return map.pointer;
  return l.builder.emit({ op: "map", type: "ptr", args: [], name: map.name });
}

/** bpf_redirect_map: the low bits of its flags are the action for a key that is not there. */
function redirect(l: Lowering, node: ts.CallExpression, map: MapHandle): Value {
  const key = lowerInt(l, argument(l, node, 0), "redirect").ssa;
  const fallback = node.arguments[1];
  const flags = fallback === undefined ? l.builder.const(0) : lowerInt(l, fallback, "redirect").ssa;
  return { kind: "int", ssa: l.call("redirect_map", [mapReference(l, map), key, flags]), type: U64 };
}

/** Comes back only when there is no such program, or 33 tail calls have been made. */
function tailCall(l: Lowering, node: ts.CallExpression, map: MapDeclaration): Value {
  if (l.isSubprogram) return l.fail(node, "WS2094", { name: l.builder.function.name });
  const context = lowerExpression(l, argument(l, node, 0));
  if (context.kind !== "context") return l.fail(node, "WS2003", { name: `${map.name}.tailCall` });
  const first = l.module.tailCalls.get(map.node) ?? { node, hook: l.hook };
  l.module.tailCalls.set(map.node, first);
  if (first.hook !== l.hook) {
    const note = { node: first.node, what: `a tail call to programs for ${first.hook.title}` };
    return l.fail(node, "WS2063", { name: map.name, hook: l.hook.title, other: first.hook.title }, [note]);
  }
  const index = lowerInt(l, argument(l, node, 1), "tailCall").ssa;
  l.call("tail_call", [l.context, mapReference(l, map), index]);
  return { kind: "void" };
}

/** The flag that argument `index`, a word of `modes`, stands for; 0 when it is left out. */
export function modeOf(l: Lowering, node: ts.CallExpression, index: number, modes: Readonly<Record<string, number>>): number {
  const mode = node.arguments[index];
  if (mode === undefined) return 0;
  const value = lowerExpression(l, mode);
  const flags = value.kind === "string" ? modes[value.text] : undefined;
  return flags ?? l.fail(mode, "WS2017");
}

/** Helpers answer 0 for success, else a negative errno. */
export function succeeded(l: Lowering, result: Ssa): IntValue {
  return l.bool(l.compare("eq", result, l.builder.const(0)));
}

/**
 * Runs `use` with the address of `value` in memory: where it lies already, or built on the stack, every byte of it.
 * `takesPacket`: the helper reads addresses in the packet, too; from others the value is copied.
 */
export function withAddress<T>(
  l: Lowering,
  node: ts.Node,
  layout: SizedLayout,
  value: Value,
  use: (address: Ssa) => T,
  takesPacket = true,
): T {
  const place = placeOf(layout, value);
  if (place !== null) l.assertAlive(place);
  // Before Linux 6.0, helpers did not take the address of a ring buffer's record for a key or a value.
  const isTaken = place?.region === "packet" ? takesPacket : place?.region !== "record";
  if (place !== null && isTaken) return use(addressOf(l, place));
  const phase = stackPhaseOf(layout);
  return l.withSlot(phase + layout.size, (slot) => {
    const memory: Memory = { pointer: slot, offset: phase, region: "stack" };
    store(l, node, memory, layout, value);
    return use(addressOf(l, memory));
  });
}

/** Keys and values in the packet or in a map are used where they are; the kernel's helpers take those addresses. */
function placeOf(layout: SizedLayout, value: Value): Memory | null {
  if (layout.kind === "bytes" && value.kind === "bytesPlace" && value.length === layout.size) return value.memory;
  if (value.kind === "view" && sameLayout(layout, value.layout)) return value.memory;
  return null;
}
