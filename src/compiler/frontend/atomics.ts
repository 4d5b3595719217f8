/** Atomic changes of a field that CPUs share. */
import type ts from "typescript";
import type { Value as Ssa } from "../ir/ir.ts";
import { lowerInt, placeOfField } from "./expressions.ts";
import type { Lowering } from "./lowering.ts";
import { argument } from "./schemas.ts";
import type { Value } from "./values.ts";

/** `atomicAdd(counter.packets, 1)`: the first argument is a place, not a value. */
export function addAtomically(l: Lowering, node: ts.CallExpression): Value {
  const target = argument(l, node, 0);
  const place = placeOfField(l, target);
  if (place === null || place.memory.region !== "map") return l.fail(target, "WS2020");
  const { size, bigEndian, boolean } = place.layout;
  if ((size !== 4 && size !== 8) || bigEndian || boolean) return l.fail(target, "WS2020");
  const { pointer, offset, region } = place.memory;
  if (!isAligned(pointer, offset, size)) return l.fail(target, "WS2021", { size });
  const addend = lowerInt(l, argument(l, node, 1), "atomicAdd").ssa;
  l.builder.emit({ op: "atomic_add", type: "void", args: [pointer, addend], size, offset, region });
  return { kind: "void" };
}

/** Whether `offset` bytes from `pointer` is a multiple of `size` away from the start of a map's element, on every path. */
function isAligned(pointer: Ssa, offset: number, size: number, depth = 8): boolean {
  const [base, distance] = pointer.args;
  if (pointer.op === "call") return offset % size === 0;
  if (pointer.op === "add" && base !== undefined && distance?.op === "const") {
    return isAligned(base, offset + Number(distance.value), size, depth);
  }
  return pointer.op === "phi" && depth > 0 && pointer.args.every((argument) => isAligned(argument, offset, size, depth - 1));
}
