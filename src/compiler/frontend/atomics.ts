/** Atomic changes of a field that CPUs share. */
import type ts from "typescript";
import { alignmentOf } from "../ir/alignment.ts";
import { lowerInt } from "./expressions.ts";
import type { Lowering } from "./lowering.ts";
import { argument } from "./schemas.ts";
import { scalarPlaceOf } from "./targets.ts";
import type { Value } from "./values.ts";

/** `atomicAdd(counter.packets, 1)`: the first argument is a place, not a value. */
export function addAtomically(l: Lowering, node: ts.CallExpression): Value {
  const target = argument(l, node, 0);
  const place = scalarPlaceOf(l, target);
  if (place === null || (place.memory.region !== "map" && place.memory.region !== "data") || place.memory.readonly === true)
    return l.fail(target, "WS2020");
  const { size, bigEndian, boolean } = place.layout;
  if ((size !== 4 && size !== 8) || bigEndian || boolean) return l.fail(target, "WS2020");
  const { pointer, offset, region } = place.memory;
  if (alignmentOf(pointer, offset) < size) return l.fail(target, "WS2021", { size });
  const addend = lowerInt(l, argument(l, node, 1), "atomicAdd").ssa;
  l.builder.emit({ op: "atomic_add", type: "void", args: [pointer, addend], size, offset, region });
  return { kind: "void" };
}
