/**
 * Removes stores to the stack that nothing reads before they are overwritten or the function ends. Liveness of each byte of each
 * slot, backwards. Bytes that a helper may look at count as read, padding included: the verifier wants them initialised.
 */
import { effectsOf } from "../ir/effects.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { escapingSlots, locationOf } from "../ir/memory.ts";
import { reversePostorder } from "../ir/order.ts";

/** The bytes of each slot that may still be read, as a bit mask. */
type Live = Map<Value, bigint>;

/** True when any store went. */
export function removeDeadStores(fn: Function): boolean {
  const slots = fn.blocks.flatMap((block) => block.instructions.filter((instruction) => instruction.op === "slot"));
  if (slots.length === 0) return false;
  const analysis = new Analysis(fn, slots);
  const atStart = new Map<Block, Live>();
  const order = reversePostorder(fn).reverse();
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of order) {
      const live = analysis.atEnd(block, atStart);
      for (const instruction of block.instructions.toReversed()) analysis.step(instruction, live);
      const before = atStart.get(block);
      if (before !== undefined && slots.every((slot) => before.get(slot) === live.get(slot))) continue;
      atStart.set(block, live);
      changed = true;
    }
  }
  let removed = false;
  for (const block of order) {
    const live = analysis.atEnd(block, atStart);
    const kept: Instruction[] = [];
    for (const instruction of block.instructions.toReversed()) {
      if (analysis.isDead(instruction, live)) {
        removed = true;
        continue;
      }
      analysis.step(instruction, live);
      kept.push(instruction);
    }
    block.instructions = kept.reverse();
  }
  return removed;
}

class Analysis {
  readonly #slots: readonly Value[];
  readonly #escaping: Set<Value>;

  constructor(fn: Function, slots: readonly Value[]) {
    this.#slots = slots;
    this.#escaping = escapingSlots(fn);
  }

  atEnd(block: Block, atStart: ReadonlyMap<Block, Live>): Live {
    const live: Live = new Map(this.#slots.map((slot) => [slot, 0n]));
    for (const target of block.terminator.targets) {
      for (const [slot, bytes] of atStart.get(target) ?? []) live.set(slot, bytes | (live.get(slot) ?? 0n));
    }
    return live;
  }

  /** From what is read after `instruction` to what is read from there on. */
  step(instruction: Instruction, live: Live): void {
    switch (instruction.op) {
      case "store": {
        const written = bytesOf(instruction);
        if (written !== null) live.set(written.slot, (live.get(written.slot) ?? 0n) & ~written.bytes);
        return;
      }
      case "load":
      case "atomic_add": {
        if (instruction.region !== "stack") return;
        const read = bytesOf(instruction);
        if (read === null) this.#readEscaping(live);
        else live.set(read.slot, (live.get(read.slot) ?? 0n) | read.bytes);
        return;
      }
      case "call":
        if (effectsOf(instruction.helper).reads.includes("stack")) this.#readEscaping(live);
        return;
      default:
    }
  }

  isDead(instruction: Instruction, live: Live): boolean {
    if (instruction.op !== "store") return false;
    const written = bytesOf(instruction);
    return written !== null && ((live.get(written.slot) ?? 0n) & written.bytes) === 0n;
  }

  #readEscaping(live: Live): void {
    for (const slot of this.#escaping) live.set(slot, -1n);
  }
}

/** The bytes of a slot that a load or store of known place touches. */
function bytesOf(access: Extract<Instruction, { op: "load" | "store" | "atomic_add" }>): { slot: Value; bytes: bigint } | null {
  const { region, base, offset, size } = locationOf(access);
  if (region !== "stack" || base.op !== "slot" || offset < 0) return null;
  return { slot: base, bytes: ((1n << BigInt(size)) - 1n) << BigInt(offset) };
}
