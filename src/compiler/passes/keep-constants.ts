/**
 * Keys and values that are the same for every packet are kept in the module's read-only data, instead of being written to the stack
 * again for each one: what is left of them is their address.
 *
 * Only where helpers that just read them are all that reaches them. The bytes have no name, so nobody replaces them before loading.
 */
import { HELPER } from "../../object/helpers.ts";
import type { ConstantPool } from "../constant-pool.ts";
import type { Function, Instruction, Value } from "../ir/ir.ts";
import { locationOf } from "../ir/memory.ts";
import { type User, usersOf } from "../ir/uses.ts";

type Slot = Extract<Instruction, { op: "slot" }>;

/** The arguments that a helper reads and nothing else. */
const READ_ARGUMENTS: Partial<Record<number, readonly number[]>> = {
  [HELPER.map_lookup_elem]: [1],
  [HELPER.map_update_elem]: [1, 2],
  [HELPER.map_delete_elem]: [1],
  [HELPER.map_push_elem]: [1],
};

/** True when anything was moved to the data. Without a pool there is nowhere to put it. */
export function keepConstants(fn: Function, pool?: ConstantPool): boolean {
  if (pool === undefined) return false;
  const users = usersOf(fn);
  const kept = new Map<Value, Value>();
  const dead = new Set<User>();
  for (const block of fn.blocks) {
    block.instructions = block.instructions.map((slot) => {
      if (slot.op !== "slot") return slot;
      const uses = users.get(slot) ?? [];
      const bytes = constantBytes(slot, uses);
      if (bytes === null) return slot;
      for (const user of uses) if (user.op === "store") dead.add(user);
      const { id, span } = slot;
      const data: Instruction = {
        op: "data",
        id,
        type: "ptr",
        args: [],
        span,
        section: pool.section,
        offset: pool.place(bytes),
      };
      kept.set(slot, data);
      return data;
    });
  }
  if (kept.size === 0) return false;
  for (const block of fn.blocks) {
    block.instructions = block.instructions.filter((instruction) => !dead.has(instruction));
    for (const user of block.instructions) user.args = user.args.map((value) => kept.get(value) ?? value);
  }
  return true;
}

/** What the slot holds whenever it is read: each byte is only ever written with one value. */
function constantBytes(slot: Slot, uses: readonly User[]): Uint8Array | null {
  const bytes = new Map<number, number>();
  let isRead = false;
  for (const user of uses) {
    if (user.op === "call") {
      const reading = READ_ARGUMENTS[user.helper] ?? [];
      if (user.args.some((value, index) => value === slot && !reading.includes(index))) return null;
      isRead = true;
      continue;
    }
    const value = user.args[1];
    if (user.op !== "store" || value?.op !== "const") return null;
    const { offset, size } = locationOf(user);
    for (let index = 0; index < size; index++) {
      const byte = Number((value.value >> BigInt(8 * index)) & 0xffn);
      if ((bytes.get(offset + index) ?? byte) !== byte) return null;
      bytes.set(offset + index, byte);
    }
  }
  // Slots are as long as their alignment wants; nobody reads what was not written.
  const length = bytes.size;
  if (!isRead || length === 0) return null;
  const result = Uint8Array.from({ length }, (_, index) => bytes.get(index) ?? 0);
  return bytes.has(length - 1) && [...bytes.keys()].every((offset) => offset >= 0 && offset < length) ? result : null;
}
