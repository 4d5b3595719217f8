/**
 * Which values the verifier's walk depends on: those that comparisons, addresses, helpers and calls are made of. It keeps states apart that differ in
 * these, and forgets what the others are as soon as that saves work. Source: "precise" scalars in kernel/bpf/verifier.c.
 */
import type { Function, Value } from "../ir/ir.ts";
import { isBinary, isCompare } from "../ir/ir.ts";

export function decisiveValues(fn: Function): Set<Value> {
  const decisive = new Set<Value>();
  const waiting: Value[] = [];
  for (const block of fn.blocks) {
    for (const instruction of block.instructions) {
      const { op, args, type } = instruction;
      if (isCompare(op) || op === "call" || (isBinary(op) && type === "ptr")) waiting.push(...args);
      else if (op === "store" && instruction.region === "stack") waiting.push(...args.slice(1));
    }
    if (block.terminator.op === "branch") waiting.push(...block.terminator.args);
  }
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (decisive.has(value)) continue;
    decisive.add(value);
    // What comes out of memory or a call has no history.
    if (value.op !== "load" && value.op !== "call") waiting.push(...value.args);
  }
  return decisive;
}
