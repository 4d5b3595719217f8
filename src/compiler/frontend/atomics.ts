/** Atomic changes of a field that CPUs share. */
import type ts from "typescript";
import { alignmentOf } from "../ir/alignment.ts";
import type { Function, Value } from "../ir/ir.ts";
import { lowerInt } from "./expressions.ts";
import type { Lowering } from "./lowering.ts";
import { argument } from "./schemas.ts";
import { scalarPlaceOf } from "./targets.ts";
import type { Value as Meaning } from "./values.ts";

/** `atomicAdd(counter.packets, 1)`: the first argument is a place, not a value. */
export function addAtomically(l: Lowering, node: ts.CallExpression): Meaning {
  const target = argument(l, node, 0);
  const place = scalarPlaceOf(l, target);
  if (place === null || (place.memory.region !== "map" && place.memory.region !== "data") || place.memory.readonly === true)
    return l.fail(target, "WS2020");
  const { size, bigEndian, boolean } = place.layout;
  if ((size !== 4 && size !== 8) || bigEndian || boolean) return l.fail(target, "WS2020");
  const { pointer, offset, region } = place.memory;
  const addend = lowerInt(l, argument(l, node, 1), "atomicAdd").ssa;
  const addition = l.builder.emit({ op: "atomic_add", type: "void", args: [pointer, addend], size, offset, region });
  l.atomics.set(addition, target);
  return { kind: "void" };
}

/** Reports additions to what is not aligned. In the finished function, since only then the addresses of all rounds of a loop are known. */
export function checkAtomics(l: Lowering, fn: Function): void {
  for (const block of fn.blocks) {
    for (const instruction of block.instructions) {
      const node = l.atomics.get(instruction);
      if (instruction.op !== "atomic_add" || node === undefined) continue;
      const { size, offset } = instruction;
      const [pointer] = instruction.args as [Value, Value]; // an address and an addend
      if (alignmentOf(pointer, offset) < size) l.module.reporter.report(node, "WS2021", { size });
    }
  }
}
