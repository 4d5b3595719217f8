/** Addresses on the stack that are a slot's or lie at a constant distance from it: either side of a loop that becomes a callback makes its own. */
import { blockOf } from "../ir/block-of.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";

/** The slot that an address is in, when it is a constant distance from its start. */
export function slotOf(value: Value): Value | null {
  if (value.op === "slot") return value;
  const [base, distance] = value.args;
  return value.op === "add" && base !== undefined && distance?.op === "const" ? slotOf(base) : null;
}

export function isPlaceInSlot(value: Value): boolean {
  return value.op === "add" && value.args[1]?.op === "const" && slotOf(value) !== null;
}

/**
 * Computes places in slots before the loop of `blocks`, where its code behind the loop uses them too: as the loop's own they would be handed
 * over in the frame, and the verifier lets no function write an address of its stack into its caller's.
 */
export function computePlacesBefore(fn: Function, blocks: ReadonlySet<Block>): void {
  const behind = new Set<Value>();
  for (const block of fn.blocks) {
    if (blocks.has(block)) continue;
    for (const { args } of [...block.instructions, block.terminator]) for (const value of args) behind.add(value);
  }
  const inside = [...blocks].flatMap(({ instructions }) => instructions);
  for (const place of inside.filter((value) => isPlaceInSlot(value) && behind.has(value))) computeAtSlot(fn, place);
}

/** Moves a place to where its slot is, with places that it is made of. */
function computeAtSlot(fn: Function, place: Instruction): void {
  const [base, distance] = place.args as [Value, Value];
  if (isPlaceInSlot(base)) computeAtSlot(fn, base);
  const home = blockOf(fn, base);
  const now = blockOf(fn, place);
  now.instructions.splice(now.instructions.indexOf(place), 1);
  const constant: Value = { ...distance, args: [], id: fn.nextId++ };
  place.args = [base, constant];
  home.instructions.splice(home.instructions.indexOf(base) + 1, 0, constant, place);
}
