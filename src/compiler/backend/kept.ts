/**
 * Addresses that several calls are given: of a map, or of a key on the stack. To make one takes two words of code each time, to copy it from
 * a register one. From three calls on it is shorter to keep it, if there is a register that survives them.
 */
import { Dominators } from "../ir/dominators.ts";
import type { Block, Function, Instruction, Terminator, Value } from "../ir/ir.ts";
import { loopBlocks } from "../ir/loops.ts";
import { peelAddress } from "./facts.ts";

export interface KeptAddress {
  /** What makes it. */
  value: Value;
  /** In front of which it is made: on every way to the calls, and in no loop. */
  place: Instruction | Terminator;
}

const FEWEST_USES = 3;

/** Is there anything to keep? */
export function mayKeepAddresses(fn: Function): boolean {
  return [...usesByAddress(fn).values()].some((uses) => uses.length >= FEWEST_USES);
}

export function findKeptAddresses(fn: Function): Map<string, KeptAddress> {
  const kept = new Map<string, KeptAddress>();
  const dominators = new Dominators(fn);
  const loops = loopBlocks(dominators);
  for (const [key, uses] of usesByAddress(fn)) {
    const [first] = uses;
    if (first === undefined || uses.length < FEWEST_USES) continue;
    let block: Block | null = first.block;
    while (block !== null && (loops.has(block) || !uses.every((use) => dominators.dominates(block as Block, use.block)))) {
      block = dominators.parent(block);
    }
    if (block === null) continue;
    const place = uses.find((use) => use.block === block)?.call ?? block.terminator;
    kept.set(key, { value: first.value, place });
  }
  return kept;
}

interface Use {
  value: Value;
  call: Instruction;
  block: Block;
}

function usesByAddress(fn: Function): Map<string, Use[]> {
  const uses = new Map<string, Use[]>();
  for (const block of fn.blocks) {
    for (const call of block.instructions) {
      if (call.op !== "call") continue;
      for (const value of call.args) {
        const key = keyOfAddress(value);
        if (key === null) continue;
        const list = uses.get(key);
        if (list === undefined) uses.set(key, [{ value, call, block }]);
        else list.push({ value, call, block });
      }
    }
  }
  return uses;
}

/** Equal for equal addresses; `null` for what is not made of two words. */
export function keyOfAddress(value: Value): string | null {
  if (value.op === "map") return `map ${value.name}`;
  if (value.op === "data") return `data ${value.section} ${value.offset}`;
  const { base, offset } = peelAddress(value, 0);
  return base.op === "slot" ? `slot ${base.id} ${offset}` : null;
}
