/** The loops of a function: a header, and the blocks that reach a jump back to it without passing it. */
import type { Dominators } from "./dominators.ts";
import type { Block } from "./ir.ts";

export interface NaturalLoop {
  header: Block;
  /** With the header. */
  blocks: Set<Block>;
  /** Those that jump back to the header. */
  latches: Block[];
  /** Loops directly in this one. */
  inner: NaturalLoop[];
}

/** An edge that leaves a loop: number `which` of the end of `from`. */
export interface Exit {
  from: Block;
  which: number;
  target: Block;
}

/** The outermost loops. */
export function findLoops(dominators: Dominators): NaturalLoop[] {
  const outermost: NaturalLoop[] = [];
  // A header comes before the headers in its loop.
  for (const header of dominators.order) {
    const latches = header.predecessors.filter((block) => dominators.dominates(header, block));
    if (latches.length === 0) continue;
    const blocks = new Set([header]);
    const waiting = [...latches];
    for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
      if (blocks.has(block)) continue;
      blocks.add(block);
      waiting.push(...block.predecessors);
    }
    const loop: NaturalLoop = { header, blocks, latches, inner: [] };
    let siblings = outermost;
    for (let outer = around(siblings, header); outer !== undefined; outer = around(siblings, header)) siblings = outer.inner;
    siblings.push(loop);
  }
  return outermost;
}

function around(loops: readonly NaturalLoop[], header: Block): NaturalLoop | undefined {
  return loops.find(({ blocks }) => blocks.has(header));
}

export function exitsOf({ blocks }: NaturalLoop): Exit[] {
  return [...blocks].flatMap((from) =>
    from.terminator.targets.flatMap((target, which) => (blocks.has(target) ? [] : [{ from, which, target }])),
  );
}

/** The first blocks of all loops. */
export function loopHeaders(dominators: Dominators): Set<Block> {
  const isHeader = (block: Block) => block.predecessors.some((other) => dominators.dominates(block, other));
  return new Set(dominators.order.filter(isHeader));
}

/** The blocks that can run more than once. */
export function loopBlocks(dominators: Dominators): Set<Block> {
  return new Set(findLoops(dominators).flatMap(({ blocks }) => [...blocks]));
}
