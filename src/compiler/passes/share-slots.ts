/**
 * Lets memory on the stack that is used on one path, and memory of the same size that is used on another, be the same memory. The frame
 * would have overlaid them anyway; that they have one name lets code which stands on both paths be shared.
 */
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { escapingSlots } from "../ir/memory.ts";
import { blocksBehind } from "../ir/order.ts";

type Slot = Extract<Instruction, { op: "slot" }>;

/** True when any slots became one. */
export function shareSlots(fn: Function): boolean {
  const slots = fn.blocks[0]?.instructions.filter((instruction): instruction is Slot => instruction.op === "slot") ?? [];
  if (slots.length < 2) return false;
  const escaping = escapingSlots(fn);
  const places = new Map<Slot, Set<Block>>();
  for (const slot of slots) {
    const found = blocksUsing(fn, slot);
    if (found !== null && found.size > 0) places.set(slot, found);
  }
  const behind = new Map<Block, Set<Block>>();
  const leadsTo = (from: Block, to: Block): boolean => {
    const known = behind.get(from) ?? blocksBehind(from);
    behind.set(from, known);
    return from === to || known.has(to);
  };
  const meet = (one: ReadonlySet<Block>, other: ReadonlySet<Block>): boolean =>
    [...one].some((block) => [...other].some((another) => leadsTo(block, another) || leadsTo(another, block)));

  const replaced = new Map<Value, Slot>();
  for (const [index, kept] of slots.entries()) {
    for (const other of slots.slice(index + 1)) {
      const [used, also] = [places.get(kept), places.get(other)];
      if (used === undefined || also === undefined || replaced.has(kept) || replaced.has(other)) continue;
      if (kept.size !== other.size || kept.align !== other.align || escaping.has(kept) !== escaping.has(other)) continue;
      if (meet(used, also)) continue;
      replaced.set(other, kept);
      for (const block of also) used.add(block);
    }
  }
  if (replaced.size === 0) return false;
  for (const { instructions } of fn.blocks) {
    for (const instruction of instructions) instruction.args = instruction.args.map((each) => replaced.get(each) ?? each);
  }
  return true;
}

/** Where `slot` or an address in it is used; `null` when the address may be anywhere. */
function blocksUsing(fn: Function, slot: Slot): Set<Block> | null {
  const addresses = new Set<Value>([slot]);
  const found = new Set<Block>();
  for (let size = 0; size < addresses.size; ) {
    size = addresses.size;
    for (const block of fn.blocks) {
      for (const instruction of block.instructions) {
        if (!instruction.args.some((each) => addresses.has(each))) continue;
        if (instruction.op === "phi" || (instruction.op === "store" && addresses.has(instruction.args[1] as Value)))
          return null;
        found.add(block);
        if (instruction.op === "add") addresses.add(instruction);
      }
      if (block.terminator.args.some((each) => addresses.has(each))) return null;
    }
  }
  return found;
}
