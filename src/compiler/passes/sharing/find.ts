/** Looks through a function for the two pieces whose sharing saves most. */
import type { Block, Function } from "../../ir/ir.ts";
import { blocksBehind } from "../../ir/order.ts";
import { commonSuffix, type Match } from "./match.ts";

/** Pairs of blocks that are compared; functions with more are left as they are. */
const MOST_PAIRS = 4000;

/** The best of all that `compare` finds, of those that save `least` instructions; `null` when there is none. */
export function findBest(
  fn: Function,
  compare: (original: Block, copy: Block, suffix: number) => Match | null,
  least: number,
): Match | null {
  let best: Match | null = null;
  let pairs = 0;
  const reachable = new Map<Block, Set<Block>>();
  const leadsTo = (from: Block, to: Block): boolean => {
    let known = reachable.get(from);
    if (known === undefined) {
      known = blocksBehind(from);
      reachable.set(from, known);
    }
    return known.has(to);
  };
  for (const [, group] of groupByEnd(fn)) {
    for (const [index, original] of group.entries()) {
      for (const copy of group.slice(index + 1)) {
        if (pairs++ > MOST_PAIRS) return best;
        const longest = commonSuffix(original, copy);
        if (longest === 0 || leadsTo(original, copy) || leadsTo(copy, original)) continue;
        for (let suffix = longest; suffix > 0; suffix--) {
          const found = compare(original, copy, suffix);
          if (found === null || found.gain < least) continue;
          if (best === null || found.gain > best.gain) best = found;
        }
      }
    }
  }
  return best;
}

/** Only blocks whose last instructions are alike can be copies. */
function groupByEnd(fn: Function): Map<string, Block[]> {
  const groups = new Map<string, Block[]>();
  for (const block of fn.blocks.slice(1)) {
    const last = block.instructions.at(-1);
    if (last === undefined || last.op === "phi") continue;
    const key = `${last.op} ${block.terminator.op}`;
    groups.set(key, [...(groups.get(key) ?? []), block]);
  }
  return groups;
}
