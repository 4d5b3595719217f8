/**
 * Bounds checks further and further into the packet compare `data + 14`, then `data + 34`, … with the packet's end. The second address
 * is made of the first one, in place, instead of `data` again: an instruction less for each check but the first.
 *
 * It costs a register from one check to the next, so no call may stand between; where registers are short it may cost more than it
 * gives, which `generate.ts` finds out by doing both.
 *
 * Never back towards the packet's start: where a check has failed, the verifier holds for ever that this address, whatever is added to it
 * or subtracted from it, lies beyond the end (BEYOND_PKT_END), and cuts off the path on which a check of an earlier address succeeds.
 */
import { Dominators } from "../ir/dominators.ts";
import { type Block, type Function, isCompare, type Value } from "../ir/ir.ts";
import { peelAddress } from "./facts.ts";
import type { Uses } from "./uses.ts";

/** From each address to an earlier one with the same base. */
export type Chains = ReadonlyMap<Value, Value>;

/** Blocks between two checks; further away the register is rarely still there. */
const MOST_BLOCKS = 12;

export function findChains(fn: Function, uses: Uses): Chains {
  const chains = new Map<Value, Value>();
  const dominators = new Dominators(fn);
  /** The last checked address of each base at the block's end, if no call follows it. */
  const last = new Map<Block, Map<Value, Value>>();
  for (const block of dominators.order) {
    const known = inherited(block, dominators, last);
    for (const value of block.instructions) {
      if (value.op === "call") known.clear();
      if (!uses.isLive(value) || !isChecked(value, uses)) continue;
      const { base, offset } = peelAddress(value, 0);
      const earlier = known.get(base);
      if (earlier !== undefined && peelAddress(earlier, 0).offset <= offset) chains.set(value, earlier);
      known.set(base, value);
    }
    last.set(block, known);
  }
  return chains;
}

function isChecked(value: Value, uses: Uses): boolean {
  if (value.op !== "add" || value.type !== "ptr") return false;
  const { base } = peelAddress(value, 0);
  // Addresses on the stack are made anew for each use.
  if (base === value || base.op === "slot" || base.op === "data" || base.op === "map") return false;
  return uses.of(value).some((user) => isCompare(user.op as Value["op"]));
}

/** What holds at the block's start of what registers hold: what its dominator knew, unless a call stands on some way from there. */
export function inherited<K, V>(block: Block, dominators: Dominators, last: ReadonlyMap<Block, Map<K, V>>): Map<K, V> {
  const dominator = dominators.parent(block);
  if (dominator === null) return new Map();
  const between = new Set<Block>();
  const waiting = [...block.predecessors];
  for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
    if (from === dominator || between.has(from)) continue;
    if (between.size === MOST_BLOCKS || from.instructions.some(({ op }) => op === "call")) return new Map();
    between.add(from);
    waiting.push(...from.predecessors);
  }
  return new Map(last.get(dominator));
}
