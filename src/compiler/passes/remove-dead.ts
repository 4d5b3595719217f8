/** Removes instructions whose result nobody needs. */
import { effectsOf } from "../ir/effects.ts";
import type { Function, Instruction, Value } from "../ir/ir.ts";
import { hasSideEffect } from "../ir/ir.ts";

/** True when anything went. */
export function removeDead(fn: Function): boolean {
  const needed = new Set<Value>();
  const waiting: Value[] = [];
  for (const block of fn.blocks) {
    waiting.push(...block.terminator.args, ...block.instructions.filter(mustStay));
  }
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (needed.has(value)) continue;
    needed.add(value);
    waiting.push(...value.args);
  }
  let changed = false;
  for (const block of fn.blocks) {
    const kept = block.instructions.filter((instruction) => needed.has(instruction));
    if (kept.length === block.instructions.length) continue;
    block.instructions = kept;
    changed = true;
  }
  return changed;
}

/** Does it do anything but compute its result? */
export function mustStay(instruction: Instruction): boolean {
  if (instruction.op === "call") return !effectsOf(instruction.helper).pure;
  return hasSideEffect(instruction);
}
