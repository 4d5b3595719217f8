/**
 * Which block lies on every path to which. Source: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm" (2001).
 * A snapshot: whoever changes edges makes a new one.
 */
import type { Block, Function } from "./ir.ts";
import { reversePostorder } from "./order.ts";

export class Dominators {
  /** Reachable blocks in reverse postorder. */
  readonly order: readonly Block[];
  readonly #position = new Map<Block, number>();
  readonly #parent: number[];
  readonly #children = new Map<Block, Block[]>();
  // Preorder interval of each block in the dominator tree: ancestors enclose descendants.
  readonly #enter = new Map<Block, number>();
  readonly #leave = new Map<Block, number>();

  constructor(fn: Function) {
    this.order = reversePostorder(fn);
    for (const [index, block] of this.order.entries()) this.#position.set(block, index);
    this.#parent = immediateDominators(this.order, this.#position);
    for (const [index, block] of this.order.entries()) {
      if (index === 0) continue;
      const parent = this.order[this.#parent[index] as number] as Block; // every reachable block has one
      const siblings = this.#children.get(parent);
      if (siblings === undefined) this.#children.set(parent, [block]);
      else siblings.push(block);
    }
    this.#number();
  }

  /** Can `block` be reached from the entry? */
  reaches(block: Block): boolean {
    return this.#position.has(block);
  }

  /** The closest block that every path to `block` passes; `null` for the entry and for unreachable blocks. */
  parent(block: Block): Block | null {
    const position = this.#position.get(block);
    if (position === undefined || position === 0) return null;
    return this.order[this.#parent[position] as number] as Block;
  }

  /** The blocks whose `parent` is `block`. */
  children(block: Block): readonly Block[] {
    return this.#children.get(block) ?? [];
  }

  /** Does every path to `lower` pass `upper`? A block dominates itself. Unreachable blocks dominate nothing. */
  dominates(upper: Block, lower: Block): boolean {
    const [enter, leave, at] = [this.#enter.get(upper), this.#leave.get(upper), this.#enter.get(lower)];
    return enter !== undefined && leave !== undefined && at !== undefined && enter <= at && at < leave;
  }

  /** Is `block` the head of a loop, entered again from inside? */
  isLoopHeader(block: Block): boolean {
    return block.predecessors.some((predecessor) => this.dominates(block, predecessor));
  }

  #number(): void {
    const [entry] = this.order;
    if (entry === undefined) return;
    let count = 0;
    const stack: { block: Block; next: number }[] = [{ block: entry, next: 0 }];
    this.#enter.set(entry, count++);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const child = this.children(top.block)[top.next++];
      if (child === undefined) {
        this.#leave.set(top.block, count);
        stack.pop();
      } else {
        this.#enter.set(child, count++);
        stack.push({ block: child, next: 0 });
      }
    }
  }
}

function immediateDominators(order: readonly Block[], position: Map<Block, number>): number[] {
  const parent: number[] = order.map(() => -1);
  parent[0] = 0;
  const meet = (left: number, right: number): number => {
    let [a, b] = [left, right];
    while (a !== b) {
      while (a > b) a = parent[a] as number;
      while (b > a) b = parent[b] as number;
    }
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let index = 1; index < order.length; index++) {
      let best = -1;
      for (const predecessor of (order[index] as Block).predecessors) {
        const at = position.get(predecessor);
        if (at === undefined || parent[at] === -1) continue;
        best = best === -1 ? at : meet(best, at);
      }
      if (parent[index] !== best) {
        parent[index] = best;
        changed = true;
      }
    }
  }
  return parent;
}
