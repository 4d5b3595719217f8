/** Which numbers of a loop need no place in memory: those that follow from how often it has gone round. */
import { phisOf } from "../ir/edges.ts";
import type { Value } from "../ir/ir.ts";
import type { NaturalLoop } from "../ir/loops.ts";

export interface Counter {
  phi: Value;
  start: Value;
  step: bigint;
}

/** Integers that every round changes by the same constant. */
export function countersOf({ header, latches }: NaturalLoop): Counter[] {
  return phisOf(header).flatMap((phi): Counter[] => {
    const next = new Set<Value>();
    const start = new Set<Value>();
    for (const [index, block] of header.predecessors.entries()) {
      (latches.includes(block) ? next : start).add(phi.args[index] as Value);
    }
    const [only, other] = next;
    const [first, second] = start;
    if (phi.type !== "int" || only?.op !== "add" || other !== undefined) return [];
    // Of several starts a phi is made, which is as good; only this many are looked for.
    if (first === undefined || second !== undefined) return [];
    const [left, right] = only.args as [Value, Value];
    const step = left === phi ? right : left;
    if ((left !== phi && right !== phi) || step.op !== "const") return [];
    return [{ phi, start: first, step: step.value }];
  });
}
