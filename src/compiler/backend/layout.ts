/**
 * The order of blocks. Every block that falls through to its successor saves a jump, and every block can be fallen into by one
 * other only, so the best order is a largest matching between blocks and successors; loops' back edges are left out at first, which
 * keeps the matching free of cycles. Where the matching leaves a choice, blocks come before their successors: jumps go forward, and
 * not far, which makes them shorter in machine code. Into some blocks the first way must fall, whatever it costs.
 *
 * Source of the matching: Kuhn's augmenting paths.
 */
import { isInvertible } from "./conditions.ts";
import { backEdges } from "./loops.ts";
import { type MachineBlock, type MachineFunction, successors } from "./machine.ts";

/** Reorders `fn.blocks`; the entry stays first. */
export function orderBlocks(fn: MachineFunction): void {
  shareExit(fn);
  fn.blocks = reversePostorder(fn);
  const entry = fn.blocks[0] as MachineBlock;
  const position = new Map(fn.blocks.map((block, index) => [block, index]));
  const back = backEdges(fn);
  const isBack = (from: MachineBlock, to: MachineBlock): boolean => back.get(to)?.includes(from) ?? false;
  const next = new Map<MachineBlock, MachineBlock>();
  const previous = new Map<MachineBlock, MachineBlock>();
  const candidates = (block: MachineBlock): MachineBlock[] =>
    fallThroughs(fn, block)
      .filter((to) => to !== entry && !isBack(block, to))
      .sort((a, b) => Number(b.early ?? false) - Number(a.early ?? false) || distance(block, a) - distance(block, b));
  const distance = (from: MachineBlock, to: MachineBlock): number => {
    const step = (position.get(to) ?? 0) - (position.get(from) ?? 0);
    return step > 0 ? step : fn.blocks.length - step;
  };
  const link = (from: MachineBlock, to: MachineBlock): void => {
    next.set(from, to);
    previous.set(to, from);
  };
  const augment = (from: MachineBlock, tried: Set<MachineBlock>): boolean => {
    for (const to of candidates(from)) {
      if (tried.has(to)) continue;
      tried.add(to);
      const holder = previous.get(to);
      if (holder !== undefined && (to.early || !augment(holder, tried))) continue;
      link(from, to);
      return true;
    }
    return false;
  };
  for (const block of fn.blocks) {
    const free = candidates(block).find((to) => !previous.has(to));
    if (free !== undefined) link(block, free);
  }
  for (const block of fn.blocks) if (!next.has(block)) augment(block, new Set());
  linkBackEdges(fn, next, previous, link);

  const order: MachineBlock[] = [];
  const placed = new Set<MachineBlock>();
  for (const head of fn.blocks) {
    if (head !== entry && previous.has(head)) continue;
    for (let block: MachineBlock | undefined = head; block !== undefined && !placed.has(block); block = next.get(block)) {
      placed.add(block);
      order.push(block);
    }
  }
  fn.blocks = order;
}

/** Successors that may stand right behind the block. */
function fallThroughs(fn: MachineFunction, block: MachineBlock): MachineBlock[] {
  const { terminator } = block;
  if (terminator.op === "jump") return [terminator.target];
  if (terminator.op === "exit") return [];
  return isInvertible(terminator, fn.cpu) ? [terminator.otherwise, terminator.then] : [terminator.otherwise];
}

/** Where a chain's end jumps back to another chain's head, the two can be one. */
function linkBackEdges(
  fn: MachineFunction,
  next: Map<MachineBlock, MachineBlock>,
  previous: Map<MachineBlock, MachineBlock>,
  link: (from: MachineBlock, to: MachineBlock) => void,
): void {
  const headOf = (block: MachineBlock): MachineBlock => {
    let head = block;
    for (let before = previous.get(head); before !== undefined; before = previous.get(head)) head = before;
    return head;
  };
  for (const block of fn.blocks) {
    if (next.has(block)) continue;
    const target = fallThroughs(fn, block).find((to) => to !== fn.blocks[0] && !previous.has(to) && headOf(block) !== to);
    if (target !== undefined) link(block, target);
  }
}

/** When some block is nothing but an exit, others can fall through to it; the rest get an exit of their own instead of a jump. */
function shareExit(fn: MachineFunction): void {
  const bare = fn.blocks.find(isBareExit);
  if (bare === undefined) return;
  for (const block of fn.blocks) {
    if (block !== bare && block.terminator.op === "exit")
      block.terminator = { op: "jump", target: bare, span: block.terminator.span };
  }
}

export function isBareExit(block: MachineBlock): boolean {
  return block.instructions.length === 0 && block.terminator.op === "exit";
}

/** Of two branches, what stands first in the source's order comes first. */
function reversePostorder(fn: MachineFunction): MachineBlock[] {
  const entry = fn.blocks[0] as MachineBlock;
  const position = new Map(fn.blocks.map((block, index) => [block, index]));
  const nextOf = (block: MachineBlock) => successors(block).sort((a, b) => (position.get(a) ?? 0) - (position.get(b) ?? 0));
  const order: MachineBlock[] = [];
  const seen = new Set([entry]);
  const stack = [{ block: entry, next: nextOf(entry) }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.next.pop();
    if (next === undefined) {
      order.unshift(top.block);
      stack.pop();
    } else if (!seen.has(next)) {
      seen.add(next);
      stack.push({ block: next, next: nextOf(next) });
    }
  }
  return order;
}
