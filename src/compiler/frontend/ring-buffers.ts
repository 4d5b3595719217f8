/** Ring buffers: records are reserved, filled in where they lie, and submitted or discarded. `records.ts` checks that they are. */
import type ts from "typescript";
import type { HelperName } from "../../object/helpers.ts";
import { lowerExpression, present } from "./expressions.ts";
import type { SizedLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { type MapHandle, mapReference, modeOf, succeeded, withAddress } from "./maps.ts";
import { viewOf } from "./memory.ts";
import { argument, sizedLayoutOf } from "./schemas.ts";
import { describeValue, U64, type Value } from "./values.ts";

/** BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP */
const WAKE_UP: Readonly<Record<string, number>> = { auto: 0, never: 1, always: 2 };

/** BPF_RB_AVAIL_DATA and its kin. */
const PROPERTIES: Readonly<Record<string, number>> = {
  availableData: 0,
  ringSize: 1,
  consumerPosition: 2,
  producerPosition: 3,
};

/** In front of each record (BPF_RINGBUF_HDR_SZ). */
const RECORD_HEADER = 8;

export function callRingBuffer(l: Lowering, node: ts.CallExpression, map: MapHandle, method: string): Value {
  switch (method) {
    case "reserve":
      return reserve(l, node, map);
    case "submit":
      return release(l, node, map, "ringbuf_submit");
    case "discard":
      return release(l, node, map, "ringbuf_discard");
    case "output":
      return output(l, node, map);
    default: {
      argument(l, node, 0);
      const what = l.builder.const(modeOf(l, node, 0, PROPERTIES));
      return { kind: "int", ssa: l.call("ringbuf_query", [mapReference(l, map), what]), type: U64 };
    }
  }
}

function reserve(l: Lowering, node: ts.CallExpression, map: MapHandle): Value {
  const [schema] = node.arguments;
  const layout = schema === undefined ? map.value : sizedLayoutOf(l, schema, lowerExpression(l, schema));
  if (layout === null) return l.fail(node, "WS2003", { name: `${map.name}.reserve without a schema` });
  checkSize(l, node, map, layout);
  const size = l.builder.const(layout.size);
  const pointer = l.call("ringbuf_reserve", [mapReference(l, map), size, l.builder.const(0)], "ptr");
  const valid = l.compare("ne", pointer, l.builder.const(0));
  return { kind: "nullable", valid, value: viewOf({ pointer, offset: 0, region: "record" }, layout) };
}

function checkSize(l: Lowering, node: ts.Node, map: MapHandle, { size }: SizedLayout): void {
  if (size + RECORD_HEADER > map.entries) l.fail(node, "WS2074", { size, name: map.name, bytes: map.entries });
}

/** The helper finds the ring buffer by the record: `submit` of another one would do the same, which nobody can want. */
function release(l: Lowering, node: ts.CallExpression, map: MapHandle, helper: HelperName): Value {
  const recordNode = argument(l, node, 0);
  const record = present(lowerExpression(l, recordNode));
  const place = record.kind === "view" || record.kind === "ref" || record.kind === "bytesPlace" ? record.memory : null;
  if (place?.region !== "record" || place.offset !== 0) {
    return l.fail(recordNode, "WS2073", { method: node.expression.getText(), name: map.name, kind: describeValue(record) });
  }
  const flags = l.builder.const(modeOf(l, node, 1, WAKE_UP));
  l.releases.set(l.call(helper, [place.pointer, flags]), map.pointer === undefined ? map.name : null);
  return { kind: "void" };
}

function output(l: Lowering, node: ts.CallExpression, map: MapHandle): Value {
  const valueNode = argument(l, node, 0);
  const { value: layout } = map;
  if (layout === null) return l.fail(node, "WS2003", { name: `${map.name}.output without a schema` });
  checkSize(l, node, map, layout);
  const value = present(lowerExpression(l, valueNode));
  const flags = l.builder.const(modeOf(l, node, 1, WAKE_UP));
  const size = l.builder.const(layout.size);
  // bpf_ringbuf_output has no access to the packet (its prototype lacks `pkt_access`).
  const copy = (address: Parameters<Lowering["call"]>[1][number]): Value =>
    succeeded(l, l.call("ringbuf_output", [mapReference(l, map), address, size, flags]));
  return withAddress(l, valueNode, layout, value, copy, false);
}
