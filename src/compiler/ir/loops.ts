/** Which blocks can run more than once. */
import type { Dominators } from "./dominators.ts";
import type { Block } from "./ir.ts";

/** The blocks of all natural loops: each loop's header, and what reaches a jump back to it without passing it. */
export function loopBlocks(dominators: Dominators): Set<Block> {
  const inLoop = new Set<Block>();
  for (const header of dominators.order) {
    const body = new Set<Block>([header]);
    const waiting = header.predecessors.filter((predecessor) => dominators.dominates(header, predecessor));
    if (waiting.length === 0) continue;
    for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
      if (body.has(block)) continue;
      body.add(block);
      waiting.push(...block.predecessors);
    }
    for (const block of body) inLoop.add(block);
  }
  return inLoop;
}
