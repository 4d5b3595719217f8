/** Atomic changes of a field that CPUs share. */
import type ts from "typescript";
import { HELPER } from "../../object/helpers.ts";
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
function isAligned(pointer: Ssa, offset: number, size: number): boolean {
  return alignmentOf(pointer, offset) % size === 0;
}

/** The largest of 8, 4, 2 and 1 that divides the distance of `pointer + offset` from the start of a map's element, on every path. */
export function alignmentOf(pointer: Ssa, offset: number, depth = 8): number {
  const [base, distance] = pointer.args;
  const own = offset % 8 === 0 ? 8 : offset % 4 === 0 ? 4 : offset % 2 === 0 ? 2 : 1;
  if (pointer.op === "call" && pointer.helper === HELPER.map_lookup_elem) return own;
  if (pointer.op === "call" || pointer.op === "argument") return Math.min(own, pointer.align ?? 1);
  if (pointer.op === "add" && base !== undefined && distance?.op === "const") {
    return alignmentOf(base, offset + Number(distance.value), depth);
  }
  if (pointer.op !== "phi" || depth === 0) return 1;
  // `null`, on the way of some path, is never accessed.
  const elements = pointer.args.filter((argument) => argument.op !== "const");
  return Math.min(own, ...elements.map((argument) => alignmentOf(argument, offset, depth - 1)));
}
