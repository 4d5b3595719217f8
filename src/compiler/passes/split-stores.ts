/**
 * Writes the two halves of a number where they were put together only to be written: what was read in two pieces, since the stack cannot be
 * read across its words, need not become one for the packet. `merge-copies` then finds the widest pieces for all of what is copied.
 */
import { alignmentOf } from "../ir/alignment.ts";
import type { AccessSize, Function, Instruction, Value } from "../ir/ir.ts";
import { maskOf, possibleBits } from "../ir/known-bits.ts";
import { type User, usersOf } from "../ir/uses.ts";

type Store = Extract<Instruction, { op: "store" }>;

/** True when any store was split. */
export function splitStores(fn: Function): boolean {
  let changed = false;
  // Of before all splits, and enough: one gives further users only to what its number was made of, which was no other store's alone anyway.
  const users = usersOf(fn);
  for (const block of fn.blocks) {
    for (const store of [...block.instructions]) {
      const halves = store.op === "store" ? halvesOf(store, users) : null;
      if (store.op !== "store" || halves === null) continue;
      const size = (store.size / 2) as AccessSize;
      const [low, high] = halves;
      const first: Store = { ...store, id: fn.nextId++, size, args: [store.args[0] as Value, low] };
      const second: Store = {
        ...store,
        id: fn.nextId++,
        size,
        args: [store.args[0] as Value, high],
        offset: store.offset + size,
      };
      block.instructions.splice(block.instructions.indexOf(store), 1, first, second);
      changed = true;
    }
  }
  return changed;
}

/**
 * The low and the high half of what `store` writes, when it is put together for it alone: then one store more costs less than that. Others may
 * read maps and variables at any time, and must not see one half without the other.
 */
function halvesOf(
  { args: [pointer, whole], size, offset, region }: Store,
  users: ReadonlyMap<Value, User[]>,
): [Value, Value] | null {
  if (size === 1 || (region !== "packet" && region !== "stack" && region !== "record")) return null;
  if (pointer === undefined || whole?.op !== "or" || users.get(whole)?.length !== 1) return null;
  if (region === "stack" && alignmentOf(pointer, offset) < size / 2) return null;
  for (const [low, shifted] of [whole.args, whole.args.toReversed()]) {
    if (low === undefined || shifted?.op !== "shl" || users.get(shifted)?.length !== 1) continue;
    const [high, amount] = shifted.args;
    if (high === undefined || amount?.op !== "const" || amount.value !== BigInt(size * 4)) continue;
    if (possibleBits(low, "true") <= maskOf(size * 4)) return [low, high];
  }
  return null;
}
