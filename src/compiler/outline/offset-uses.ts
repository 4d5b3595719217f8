/**
 * What is done with an address or a number behind the block where paths meet, and with all that is made of it: does the verifier need to know
 * there how far into the packet it leads?
 */
import { blockOf } from "../ir/block-of.ts";
import { inverse } from "../ir/comparison.ts";
import type { Dominators } from "../ir/dominators.ts";
import type { Block, Function, Instruction, Terminator, Value } from "../ir/ir.ts";
import { reversePostorder } from "../ir/order.ts";
import { constantOf, upperBoundIf } from "../ir/range.ts";
import { comparisonOf, type Fact, startOf } from "../passes/implication.ts";
import { factsAbove } from "../passes/known-facts.ts";

/** MAX_PACKET_OFF: the verifier learns nothing of a packet's length from addresses that may be farther from its start. */
const FARTHEST = 0xffffn;

/** How far an address lies, as far as the verifier knows it. */
interface Reach {
  /** The constants that were added behind the meeting, at least. */
  added: bigint;
  /** From the packet's start, at most. */
  most: bigint;
}

export class OffsetUses {
  readonly #fn: Function;
  readonly #dominators: Dominators;
  readonly #meeting: Block;
  readonly #offset: Value;
  readonly #most: bigint;
  /** Addresses that are made of it. */
  readonly #addresses = new Map<Value, Reach>();
  readonly #numbers = new Set<Value>();
  /** Nothing of it is needed: each access stands behind a check of its own behind the meeting, and no number becomes too large. */
  readonly areProven: boolean;

  /** `offset`: an address in a packet, or a number, of which the verifier shall know no more than that it is at most `most` from the start. */
  constructor(fn: Function, dominators: Dominators, meeting: Block, offset: Value, most: bigint) {
    this.#fn = fn;
    this.#dominators = dominators;
    this.#meeting = meeting;
    this.#offset = offset;
    this.#most = most;
    if (offset.type === "ptr") this.#addresses.set(offset, { added: 0n, most });
    else this.#numbers.add(offset);
    this.areProven = this.#areHarmless();
  }

  /** Does anything lead into the packet by it? */
  get lead(): boolean {
    return this.#addresses.size > 0;
  }

  /** About how many instructions the verifier walks while it has to tell the paths apart. */
  get walked(): number {
    const needing = new Set<Block>();
    for (const block of this.#fn.blocks) {
      if ([...block.instructions, block.terminator].some(({ args }) => this.#used(args).length > 0))
        this.#andBefore(block, needing);
    }
    return [...needing].reduce((sum, { instructions }) => sum + instructions.filter(({ op }) => op !== "const").length + 1, 0);
  }

  /** Adds `block` and all behind the meeting from which it is reached. */
  #andBefore(block: Block, blocks: Set<Block>): void {
    if (blocks.has(block) || !this.#dominators.dominates(this.#meeting, block)) return;
    blocks.add(block);
    for (const before of block.predecessors) this.#andBefore(before, blocks);
  }

  #used(values: readonly Value[]): Value[] {
    return values.filter((value) => this.#addresses.has(value) || this.#numbers.has(value));
  }

  /** Until nothing more is made of it: in a loop, something may be made of what comes later. */
  #areHarmless(): boolean {
    const order = reversePostorder(this.#fn);
    for (let before = -1; before !== this.#addresses.size + this.#numbers.size; ) {
      before = this.#addresses.size + this.#numbers.size;
      const isHarmless = order.every((block) =>
        [...block.instructions, block.terminator].every((user) => this.#isHarmless(block, user)),
      );
      if (!isHarmless) return false;
    }
    return true;
  }

  #isHarmless(block: Block, user: Instruction | Terminator): boolean {
    const used = this.#used(user.args);
    if (used.length === 0) return true;
    switch (user.op) {
      case "load":
        return this.#isProven(block, user);
      case "store":
      case "atomic_add":
        if (used.some((value) => value !== user.args[0] && value.type === "ptr")) return false;
        return user.args[0] === used[0] ? this.#isProven(block, user) : user.region !== "stack";
      case "phi":
        if (user.type === "ptr") return this.#made(block, user) && !this.#dominators.isLoopHeader(block);
        this.#numbers.add(user);
        return true;
      case "add":
        if (user.type === "ptr") return this.#made(block, user);
        this.#numbers.add(user);
        return true;
      case "call":
      case "jump":
      case "branch":
      case "return":
        return false;
      default:
        if (user.type === "ptr") return false;
        if (user.type === "int" && used.some((value) => value.type === "int")) this.#numbers.add(user);
        return true;
    }
  }

  /** Notes the address that `user` makes of others, perhaps with a number. False when the verifier may take it for too far away. */
  #made(block: Block, user: Instruction): boolean {
    const from = user.args.filter(({ type }) => type === "ptr").map((value) => this.#reachOf(value));
    const step = user.op === "add" ? user.args.find(({ type }) => type !== "ptr") : undefined;
    const constant = step?.op === "const" ? step.value : 0n;
    const [first = { added: 0n, most: 0n }, ...others] = from;
    let { added, most } = first;
    for (const other of others) {
      if (other.added < added) added = other.added;
      if (other.most > most) most = other.most;
    }
    const reach = {
      added: added + constant,
      most: most + (step === undefined || step.op === "const" ? constant : this.#mostOf(block, step)),
    };
    this.#addresses.set(user, reach);
    return reach.most <= FARTHEST;
  }

  #reachOf(address: Value): Reach {
    const { bytes } = startOf(address);
    return this.#addresses.get(address) ?? { added: bytes, most: bytes };
  }

  /** The largest that the verifier takes `number` for in `block`, whatever the forgotten number is. */
  #mostOf(block: Block, number: Value): bigint {
    const computed = upperBoundIf(number, this.#offset, this.#most);
    const tested = this.#mostBehind(block, number);
    return tested !== null && tested < computed ? tested : computed;
  }

  /** What a test behind the meeting says `number` is at most. */
  #mostBehind(block: Block, number: Value): bigint | null {
    for (const fact of factsAbove(block, this.#dominators, this.#meeting)) {
      const comparison = comparisonOf(fact.condition);
      const limit = comparison?.left === number ? constantOf(comparison.right) : null;
      if (comparison === null || limit === null) continue;
      const op = fact.holds ? comparison.op : inverse(comparison.op);
      if (op === "ule" || op === "ult") return limit;
    }
    return null;
  }

  /** Does a check behind the meeting say that the packet reaches as far as this access? */
  #isProven(block: Block, access: Extract<Instruction, { op: "load" | "store" | "atomic_add" }>): boolean {
    const [pointer] = access.args as [Value];
    const reach = this.#addresses.get(pointer);
    if (reach === undefined || reach.added + BigInt(access.offset) < 0n) return false;
    return this.#isInside(block, pointer, BigInt(access.offset + access.size));
  }

  /** Do checks behind the meeting say at the start of `block` that the packet goes on for so many bytes behind `pointer`? */
  #isInside(block: Block, pointer: Value, bytes: bigint): boolean {
    if (!this.#addresses.has(pointer)) return true;
    const { pointer: base, bytes: distance } = startOf(pointer);
    const end = distance + bytes;
    for (const fact of factsAbove(block, this.#dominators, this.#meeting)) if (reaches(fact, base, end)) return true;
    if (base.op !== "phi" || base === this.#offset) return false;
    const { predecessors } = blockOf(this.#fn, base);
    return predecessors.every((before, edge) => this.#isInside(before, base.args[edge] as Value, end));
  }
}

/** Does `fact` say that the packet goes on for so many bytes behind `pointer`? Other than for `reachInside`, what is compared may lie before it. */
function reaches(fact: Fact, pointer: Value, bytes: bigint): boolean {
  const inside = insideOf(fact);
  const reach = inside === null ? null : startOf(inside);
  return reach?.pointer === pointer && reach.bytes >= bytes;
}

/** The address that is no farther than the packet's end, when that is what `fact` says. */
function insideOf({ condition, holds }: Fact): Value | null {
  const comparison = comparisonOf(condition);
  if (comparison === null || comparison.left.type !== "ptr") return null;
  const op = holds ? comparison.op : inverse(comparison.op);
  if (op === "ule" || op === "ult") return comparison.left;
  return op === "uge" || op === "ugt" ? comparison.right : null;
}
