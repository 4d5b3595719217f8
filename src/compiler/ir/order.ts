/** Orders in which passes walk the blocks of a function. */
import type { Block, Function } from "./ir.ts";

/** The reachable blocks so that, loops aside, a block stands after all its predecessors. The entry is first. */
export function reversePostorder(fn: Function): Block[] {
  const entry = fn.blocks[0];
  if (entry === undefined) return [];
  const order: Block[] = [];
  const seen = new Set<Block>([entry]);
  // Own stack: a long chain of blocks must not exhaust the JavaScript one.
  const stack: { block: Block; next: number }[] = [{ block: entry, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    // Last target first, so that in the reversed order the `then` side of a branch comes first.
    const target = top.block.terminator.targets.at(-1 - top.next++);
    if (target === undefined) {
      order.push(top.block);
      stack.pop();
    } else if (!seen.has(target)) {
      seen.add(target);
      stack.push({ block: target, next: 0 });
    }
  }
  return order.reverse();
}

/** The blocks that can run after `block`; itself when it is in a loop. */
export function blocksBehind(block: Block): Set<Block> {
  const found = new Set<Block>();
  const waiting: Block[] = [...block.terminator.targets];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    waiting.push(...next.terminator.targets);
  }
  return found;
}
