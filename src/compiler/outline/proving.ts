/**
 * Numbers whose size the verifier must know: it adds them to addresses, hands them to helpers, or counts rounds by them. Where it forgets
 * them, it has to be told again.
 */
import { Dominators } from "../ir/dominators.ts";
import type { Function, Value } from "../ir/ir.ts";
import { isBinary } from "../ir/ir.ts";
import { exitsOf, findLoops, type NaturalLoop } from "../ir/loops.ts";

export function provingValues(fn: Function): Set<Value> {
  const waiting: Value[] = [];
  for (const { instructions } of fn.blocks) {
    for (const { op, args, type } of instructions) {
      if (op === "call" || (isBinary(op) && type === "ptr")) waiting.push(...args);
    }
  }
  const endings = (loop: NaturalLoop): Value[] => [
    ...exitsOf(loop).flatMap(({ from }) => from.terminator.args.flatMap((condition) => condition.args)),
    ...loop.inner.flatMap(endings),
  ];
  waiting.push(...findLoops(new Dominators(fn)).flatMap(endings));
  const proving = new Set<Value>();
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (proving.has(value)) continue;
    proving.add(value);
    // What comes out of memory or a call has no history.
    if (value.op !== "load" && value.op !== "call") waiting.push(...value.args);
  }
  return proving;
}

/** Numbers from which something is taken away: there the verifier must know how small they can be, lest the difference be negative. */
export function lessenedValues(fn: Function): Set<Value> {
  const lessened = new Set<Value>();
  const waiting: Value[] = [];
  for (const { instructions } of fn.blocks) {
    for (const { op, args, type } of instructions) {
      const [left, right] = args;
      if (type !== "int" || left === undefined) continue;
      const isLess = op === "sub" || (op === "add" && right?.op === "const" && BigInt.asIntN(64, right.value) < 0n);
      if (isLess) waiting.push(left);
    }
  }
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (lessened.has(value)) continue;
    lessened.add(value);
    if (value.op !== "load" && value.op !== "call") waiting.push(...value.args);
  }
  return lessened;
}
