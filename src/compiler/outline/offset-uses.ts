/**
 * What is done with an address or a number behind the block where paths meet, and with all that is made of it: does the verifier need to know
 * there how far into the packet it leads?
 */
import { blockOf } from "../ir/block-of.ts";
import { inverse } from "../ir/comparison.ts";
import type { Dominators } from "../ir/dominators.ts";
import { type Block, type Function, type Instruction, isCompare, type Terminator, type Value } from "../ir/ir.ts";
import { reversePostorder } from "../ir/order.ts";
import { constantOf, upperBoundIf } from "../ir/range.ts";
import { comparisonOf, type Fact, startOf } from "../passes/implication.ts";
import { factOfEdge } from "../passes/known-facts.ts";

/** MAX_PACKET_OFF: the verifier learns nothing of a packet's length from addresses that may be farther from its start. */
const FARTHEST = 0xffffn;
/** What is added to a packet's address without a test in front of it stays far below that, whatever constants follow. */
const FARTHEST_UNTESTED = 0x7fffn;

export class OffsetUses {
  readonly #fn: Function;
  readonly #dominators: Dominators;
  readonly #meeting: Block;
  readonly #offset: Value;
  readonly #most: bigint;
  /** Addresses that are made of it, with the constants that were added on the way, at least. */
  readonly #addresses = new Map<Value, bigint>();
  readonly #numbers = new Set<Value>();
  /** Nothing of it is needed: each access stands behind a check of its own behind the meeting, and no number becomes too large. */
  readonly areProven: boolean;

  /** `offset`: an address in a packet, or a number of which the verifier shall know no more than that it is at most `most`. */
  constructor(fn: Function, dominators: Dominators, meeting: Block, offset: Value, most: bigint) {
    this.#fn = fn;
    this.#dominators = dominators;
    this.#meeting = meeting;
    this.#offset = offset;
    this.#most = most;
    if (offset.type === "ptr") this.#addresses.set(offset, 0n);
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
        if (user.type === "ptr") return this.#made(user, used) && !this.#dominators.isLoopHeader(block);
        this.#numbers.add(user);
        return true;
      case "add":
        if (user.type === "ptr") return this.#made(user, used) && this.#isNear(block, user);
        this.#numbers.add(user);
        return true;
      case "call":
      case "jump":
      case "branch":
      case "return":
        return false;
      default:
        if (user.op !== "sub" && !isCompare(user.op) && user.type === "ptr") return false;
        if (user.type === "int" && used.some((value) => value.type === "int")) this.#numbers.add(user);
        return true;
    }
  }

  /** Notes the address that `user` makes of those in `used`, or of another and a number. */
  #made(user: Instruction, used: readonly Value[]): boolean {
    const addresses = user.args.filter(({ type }) => type === "ptr");
    const step = user.op === "add" ? user.args.find((value) => !addresses.includes(value)) : undefined;
    const known = addresses.filter((value) => used.includes(value)).map((value) => this.#addresses.get(value) as bigint);
    const from = known.length > 0 ? known : addresses.map((value) => startOf(value).bytes);
    const [least = 0n] = from.toSorted((one, other) => Number(one - other));
    this.#addresses.set(user, least + (step?.op === "const" ? step.value : 0n));
    return true;
  }

  /** Is what is added to an address small enough, whatever the forgotten number is? */
  #isNear(block: Block, { args }: Instruction): boolean {
    const number = args.find((value) => this.#numbers.has(value));
    if (number === undefined) return true;
    const tested = this.#mostBehind(block, number);
    if (tested !== null && tested <= FARTHEST) return true;
    return upperBoundIf(number, this.#offset, this.#most) <= FARTHEST_UNTESTED;
  }

  /** What a test behind the meeting says `number` is at most. */
  #mostBehind(block: Block, number: Value): bigint | null {
    for (const fact of this.#factsBefore(block)) {
      const comparison = comparisonOf(fact.condition);
      const limit = comparison?.left === number ? constantOf(comparison.right) : null;
      if (comparison === null || limit === null) continue;
      const op = fact.holds ? comparison.op : inverse(comparison.op);
      if (op === "ule" || op === "ult") return limit;
    }
    return null;
  }

  /** What is known at the start of `block` from branches behind the meeting. */
  *#factsBefore(block: Block): Generator<Fact> {
    for (let current: Block | null = block; current !== null && current !== this.#meeting; ) {
      const [before, another] = current.predecessors;
      const fact = before !== undefined && another === undefined ? factOfEdge(before, current) : null;
      if (fact !== null) yield fact;
      current = this.#dominators.parent(current);
    }
  }

  /** Does a check behind the meeting say that the packet reaches as far as this access? */
  #isProven(block: Block, access: Extract<Instruction, { op: "load" | "store" | "atomic_add" }>): boolean {
    const [pointer] = access.args as [Value];
    const added = this.#addresses.get(pointer);
    if (added === undefined || added + BigInt(access.offset) < 0n) return false;
    return this.#isInside(block, pointer, BigInt(access.offset + access.size));
  }

  /** Do checks behind the meeting say at the start of `block` that the packet goes on for so many bytes behind `pointer`? */
  #isInside(block: Block, pointer: Value, bytes: bigint): boolean {
    if (!this.#addresses.has(pointer)) return true;
    const { pointer: base, bytes: distance } = startOf(pointer);
    const end = distance + bytes;
    for (const fact of this.#factsBefore(block)) if (reaches(fact, base, end)) return true;
    if (base.op !== "phi" || base === this.#offset) return false;
    const { predecessors } = blockOf(this.#fn, base);
    return predecessors.every((before, edge) => this.#isInside(before, base.args[edge] as Value, end));
  }
}

/** Does `fact` say that the packet goes on for so many bytes behind `pointer`? */
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
