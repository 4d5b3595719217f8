/** Maps without keys: queues and stacks, out of which values are copied onto the stack, and Bloom filters. */
import type ts from "typescript";
import type { HelperName } from "../../object/helpers.ts";
import { lowerExpression, present } from "./expressions.ts";
import type { SizedLayout } from "./layout.ts";
import type { Lowering } from "./lowering.ts";
import { type MapHandle, mapReference, modeOf, succeeded, withAddress } from "./maps.ts";
import { viewOf } from "./memory.ts";
import { argument } from "./schemas.ts";
import type { Value } from "./values.ts";

type Keyless = MapHandle & { value: SizedLayout };

/** BPF_ANY, BPF_EXIST */
const PUSH_FLAGS: Readonly<Record<string, number>> = { any: 0, overwrite: 2 };

export function callQueue(l: Lowering, node: ts.CallExpression, map: Keyless, method: string): Value {
  switch (method) {
    case "pop":
      return copyOut(l, map, "map_pop_elem");
    case "peek":
      return copyOut(l, map, "map_peek_elem");
    case "has":
      return passValue(l, node, map, "map_peek_elem");
    default:
      return passValue(l, node, map, "map_push_elem");
  }
}

/** The helper fills in memory on the stack, and answers whether there was a value. When there was none, it clears that memory. */
function copyOut(l: Lowering, map: Keyless, helper: HelperName): Value {
  const pointer = l.slot(map.value.size);
  const { ssa: valid } = succeeded(l, l.call(helper, [mapReference(l, map), pointer]));
  return { kind: "nullable", valid, value: viewOf({ pointer, offset: 0, region: "stack" }, map.value) };
}

function passValue(l: Lowering, node: ts.CallExpression, map: Keyless, helper: HelperName): Value {
  const valueNode = argument(l, node, 0);
  const value = present(lowerExpression(l, valueNode));
  const pushes = helper === "map_push_elem";
  const flags = pushes ? [l.builder.const(modeOf(l, node, 1, PUSH_FLAGS))] : [];
  const pass = (address: Parameters<Lowering["call"]>[1][number]): Value =>
    succeeded(l, l.call(helper, [mapReference(l, map), address, ...flags]));
  // bpf_map_peek_elem has no access to the packet (its prototype lacks `pkt_access`).
  return withAddress(l, valueNode, map.value, value, pass, pushes);
}
