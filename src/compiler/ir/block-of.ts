/** Where a value is computed. */
import type { Block, Function, Value } from "./ir.ts";

/** The block that computes `value`, by a walk over all of them: who asks for many values better makes a map. */
export function blockOf(fn: Function, value: Value): Block {
  const block = fn.blocks.find(({ instructions }) => instructions.includes(value));
  if (block === undefined) throw new Error(`v${value.id} is in no block`);
  return block;
}
