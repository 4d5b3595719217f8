/**
 * Writes a short number and the zeros behind it with one store: a protocol and three bytes of padding are one store of four. The
 * machine is little-endian, so a number that is smaller than its bytes has its zeros at the higher addresses.
 */
import type { Block, Function, Instruction } from "../ir/ir.ts";
import { possibleBits } from "../ir/known-bits.ts";
import { Aliases, type Location, locationOf } from "../ir/memory.ts";
import { mayAccess } from "../ir/widen.ts";

type Store = Extract<Instruction, { op: "store" }>;

/** True when any store was widened. */
export function widenStores(fn: Function): boolean {
  const aliases = new Aliases(fn);
  let changed = false;
  for (const block of fn.blocks) {
    for (const store of [...block.instructions]) {
      if (store.op === "store" && isShort(store) && widen(block, store, aliases)) changed = true;
    }
  }
  return changed;
}

/** A number, no constant, of which the store leaves nothing out. */
function isShort({ args: [, value], size }: Store): boolean {
  if (size === 8 || value === undefined || value.op === "const" || value.type === "ptr") return false;
  return possibleBits(value, "true") < 1n << BigInt(8 * size);
}

function widen(block: Block, store: Store, aliases: Aliases): boolean {
  const at = block.instructions.indexOf(store);
  if (at < 0) return false;
  const own = locationOf(store);
  const before = zeros(block.instructions.slice(0, at).reverse(), own, aliases);
  const after = zeros(block.instructions.slice(at + 1), own, aliases, own);
  for (const size of [8, 4, 2] as const) {
    if (size <= store.size || !mayAccess(own, size)) continue;
    const wide: Location = { ...own, size };
    const behind = Array.from({ length: size - own.size }, (_, index) => own.offset + own.size + index);
    if (!behind.every((byte) => before.bytes.has(byte) || after.bytes.has(byte))) continue;
    const needless = [...before.stores, ...after.stores].filter((other) => covers(wide, locationOf(other)));
    if (needless.length === 0) continue;
    store.size = size;
    block.instructions = block.instructions.filter((other) => !needless.includes(other as Store));
    return true;
  }
  return false;
}

interface Zeros {
  bytes: Set<number>;
  stores: Store[];
}

/**
 * The bytes around `own` that `instructions`, the nearest first, set to zero, as far as nobody looks at or changes what is there, and up
 * to what writes `kept`.
 */
function zeros(instructions: readonly Instruction[], own: Location, aliases: Aliases, kept?: Location): Zeros {
  const found: Zeros = { bytes: new Set(), stores: [] };
  const around: Location = { ...own, size: 8 };
  for (const instruction of instructions) {
    if (instruction.op === "call") {
      if (aliases.mayBeRead(around, instruction.helper) || aliases.mayBeWritten(around, instruction.helper)) break;
    } else if (instruction.op === "store" || instruction.op === "load" || instruction.op === "atomic_add") {
      const location = locationOf(instruction);
      if (!aliases.mayOverlap(location, around)) continue;
      const value = instruction.args[1];
      if (instruction.op !== "store" || location.base !== own.base || value?.op !== "const" || value.value !== 0n) break;
      if (kept !== undefined && aliases.mayOverlap(location, kept)) break;
      found.stores.push(instruction);
      for (let byte = 0; byte < instruction.size; byte++) found.bytes.add(location.offset + byte);
    }
  }
  return found;
}

function covers(wide: Location, { offset, size }: Location): boolean {
  return wide.offset <= offset && offset + size <= wide.offset + wide.size;
}
