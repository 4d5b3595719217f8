/**
 * How large a number can be here: what its operation says, and what the branches on the way here have let through. An index must be
 * proven to lie within its array, since the kernel refuses a program that could read beside it.
 *
 * Two answers are needed, as everywhere: what is true, and what the verifier sees. It follows a comparison of the very value that
 * is used, and constants through a loop's rounds; it does not see that `i + 1` is below 4 when `i` was compared after the addition.
 */
import { inverse, mirrored } from "../ir/comparison.ts";
import type { Block, CompareOp, Value as Ssa } from "../ir/ir.ts";
import { isCompare } from "../ir/ir.ts";
import { bitsBelow, constantOf, U64_MAX, upperBound } from "../ir/range.ts";
import type { Lowering } from "./lowering.ts";

export interface Bound {
  /** What is true. */
  most: bigint;
  /** What the verifier knows of the register that holds the value. */
  verified: bigint;
}

/** The largest unsigned number that `value` can be at the end of the current block. */
export function boundOf(l: Lowering, value: Ssa): Bound {
  const { block } = l.builder;
  if (block === null) return { most: 0n, verified: 0n };
  const finder = new RangeFinder(l);
  const { most } = finder.at(value, block, DEEPEST);
  const seen = finder.counted(value) ?? { least: 0n, most: upperBound(value), ...SIGNED };
  return { most, verified: finder.byBranches(value, block, seen, isConstant).most };
}

/** Deeper expressions are rare. */
const DEEPEST = 10;
/** Blocks looked at on the way to the entry, so that a long program stays quick to compile. */
const FARTHEST = 400;

const S64_MIN = -0x8000_0000_0000_0000n;
const U32_MAX = 0xffff_ffffn;
const S64_MAX = 0x7fff_ffff_ffff_ffffn;
const SIGNED = { signedLeast: S64_MIN, signedMost: S64_MAX };

/** Unsigned and signed bounds, both inclusive. */
interface Range {
  least: bigint;
  most: bigint;
  signedLeast: bigint;
  signedMost: bigint;
}

const ANYTHING: Range = { least: 0n, most: U64_MAX, ...SIGNED };

function isConstant(value: Ssa): boolean {
  return value.op === "const";
}

class RangeFinder {
  readonly #l: Lowering;
  readonly #open = new Set<Ssa>();

  constructor(l: Lowering) {
    this.#l = l;
  }

  /** What is true of `value` at the end of `block`. */
  at(value: Ssa, block: Block, depth: number): Range {
    if (depth === 0 || this.#open.has(value)) return ANYTHING;
    this.#open.add(value);
    const range = this.#byOperation(value, block, depth - 1);
    this.#open.delete(value);
    return this.byBranches(value, block, range, () => true, depth - 1);
  }

  /**
   * The range of what is made of constants and counters of loops alone, by operations through which the verifier carries a range: it
   * walks a loop round by round, or knows the first and the last.
   */
  counted(value: Ssa, depth = DEEPEST): Range | null {
    const constant = constantOf(value);
    if (constant !== null) return unsigned(constant, constant);
    const counter = this.#l.counters.get(value);
    if (counter !== undefined) return unsigned(counter.least, counter.most);
    const [first, second] = value.args;
    if (depth === 0 || first === undefined) return null;
    const left = this.counted(first, depth - 1);
    if (left === null || left.most > U32_MAX) return null;
    if (value.op === "zext") return left.most < 1n << BigInt(value.bits) ? left : null;
    const right = second === undefined ? null : this.counted(second, depth - 1);
    if (right === null || right.most > U32_MAX) return null;
    const amount = second === undefined ? null : constantOf(second);
    switch (value.op) {
      case "add":
        return unsigned(left.least + right.least, left.most + right.most);
      case "sub":
        return left.least >= right.most ? minus(left, right) : null;
      case "mul":
        return unsigned(left.least * right.least, left.most * right.most);
      case "and":
        return unsigned(0n, smaller(left.most, right.most));
      case "or":
      case "xor":
        return unsigned(0n, bitsBelow(left.most) | bitsBelow(right.most));
      case "shl":
        return amount !== null && amount < 32n ? unsigned(left.least << amount, left.most << amount) : null;
      case "lshr":
        return amount !== null && amount < 64n ? unsigned(left.least >> amount, left.most >> amount) : null;
      default:
        return null;
    }
  }

  /** `range`, narrowed by the branches that every path to `block` takes. `uses` says which other sides of comparisons count. */
  byBranches(value: Ssa, block: Block, range: Range, uses: (other: Ssa) => boolean, depth = 1): Range {
    let result = range;
    let at: Block | null = block;
    for (let steps = 0; at !== null && steps < FARTHEST; steps++) {
      const [from, another] = at.predecessors;
      if (from !== undefined && another === undefined && this.#l.builder.isSealed(at)) {
        result = this.#byEdge(value, from, at, result, uses, depth);
      }
      at = this.#l.builder.dominatorOf(at);
    }
    return result;
  }

  /** What the way from `from` to `to` says. */
  #byEdge(value: Ssa, from: Block, to: Block, range: Range, uses: (other: Ssa) => boolean, depth: number): Range {
    const { terminator } = from;
    if (terminator.op !== "branch" || terminator.targets[0] === terminator.targets[1]) return range;
    let [condition] = terminator.args;
    let holds = terminator.targets[0] === to;
    // `!x` is a comparison with false.
    while (condition.op === "eq" && condition.args[0]?.type === "bool" && constantOf(condition.args[1] as Ssa) === 0n) {
      condition = condition.args[0];
      holds = !holds;
    }
    const [left, right] = condition.args;
    if (!isCompare(condition.op) || left === undefined || right === undefined) return range;
    const op = holds ? condition.op : inverse(condition.op);
    if (isSame(left, value) && uses(right)) return narrow(range, op, this.at(right, from, depth));
    if (isSame(right, value) && uses(left)) return narrow(range, mirrored(op), this.at(left, from, depth));
    return range;
  }

  #byOperation(value: Ssa, block: Block, depth: number): Range {
    const counter = this.#l.counters.get(value);
    if (counter !== undefined) return unsigned(counter.least, counter.most);
    const seen = unsigned(0n, upperBound(value));
    const constant = constantOf(value);
    if (constant !== null) return unsigned(constant, constant);
    if (value.op === "phi") return within(seen, this.#ofPhi(value, block, depth));
    const of = (index: number): Range => this.at(value.args[index] as Ssa, block, depth); // every op's arity is fixed
    switch (value.op) {
      case "zext": {
        const inner = of(0);
        return inner.most <= (1n << BigInt(value.bits)) - 1n ? inner : seen;
      }
      case "sext": {
        const inner = of(0);
        return inner.most < 1n << BigInt(value.bits - 1) ? inner : ANYTHING;
      }
      case "bswap":
        return value.bits === 64 ? ANYTHING : unsigned(0n, (1n << BigInt(value.bits)) - 1n);
      case "and":
        return unsigned(0n, smaller(of(0).most, of(1).most));
      case "or":
      case "xor":
        return unsigned(0n, bitsBelow(of(0).most) | bitsBelow(of(1).most));
      case "add": {
        const [left, right] = [of(0), of(1)];
        // Adding a negative number is subtracting: it wraps, and comes out right.
        const added = constantOf(value.args[1] as Ssa) ?? 0n;
        if (added > S64_MAX) return minus(left, unsigned(U64_MAX + 1n - added, U64_MAX + 1n - added));
        return left.most + right.most > U64_MAX ? ANYTHING : unsigned(left.least + right.least, left.most + right.most);
      }
      case "sub":
        return minus(of(0), of(1));
      case "mul": {
        const [left, right] = [of(0), of(1)];
        return left.most * right.most > U64_MAX ? ANYTHING : unsigned(left.least * right.least, left.most * right.most);
      }
      case "shl": {
        const amount = of(1);
        const most = amount.most < 64n ? of(0).most << amount.most : U64_MAX;
        return most > U64_MAX || amount.most > 63n ? ANYTHING : unsigned(0n, most);
      }
      case "lshr": {
        const amount = of(1);
        return amount.most > 63n ? seen : unsigned(of(0).least >> amount.most, of(0).most >> amount.least);
      }
      case "ashr":
        return of(0).most <= S64_MAX ? unsigned(0n, of(0).most) : ANYTHING;
      case "udiv": {
        const divisor = of(1);
        return unsigned(0n, divisor.least > 0n ? of(0).most / divisor.least : of(0).most);
      }
      case "umod": {
        const divisor = of(1);
        // By zero gives the dividend.
        return unsigned(0n, divisor.least > 0n ? smaller(of(0).most, divisor.most - 1n) : of(0).most);
      }
      case "sdiv":
      case "smod": {
        const [left, right] = [of(0), of(1)];
        if (left.most > S64_MAX || right.most > S64_MAX) return ANYTHING;
        if (value.op === "sdiv" || right.least === 0n) return unsigned(0n, left.most);
        return unsigned(0n, smaller(left.most, right.most - 1n));
      }
      default:
        return seen;
    }
  }

  /** Each argument as it is at the end of the path that brings it. */
  #ofPhi(phi: Ssa, from: Block, depth: number): Range {
    const { builder } = this.#l;
    let block: Block | null = from;
    for (let steps = 0; block !== null && steps < FARTHEST && !block.instructions.includes(phi); steps++) {
      block = builder.dominatorOf(block);
    }
    const home = block;
    // While a loop is being built, its phis have no arguments yet.
    if (home === null || phi.args.length === 0 || phi.args.length !== home.predecessors.length) return ANYTHING;
    const ranges = home.predecessors.map((predecessor, index) => {
      const value = phi.args[index] as Ssa; // one for each predecessor
      return this.#byEdge(value, predecessor, home, this.at(value, predecessor, depth), () => true, depth);
    });
    return ranges.reduce(hull);
  }
}

/**
 * Whether what is known of `left` is known of `right`: they are one value, or one constant of `.rodata` that is read twice. The kernel freezes those
 * before the verifier reads them, as numbers that it knows; it forgets them when their bytes are swapped.
 */
function isSame(left: Ssa, right: Ssa): boolean {
  if (left === right) return true;
  const [from, other] = [left.args[0], right.args[0]];
  if (from === undefined || other === undefined) return false;
  if (left.op === "load" && right.op === "load") {
    const areConstants =
      from.op === "data" && other.op === "data" && from.section === ".rodata" && other.section === from.section;
    return areConstants && from.offset + left.offset === other.offset + right.offset && left.size === right.size;
  }
  const areWidened = (left.op === "zext" || left.op === "sext") && left.op === right.op && left.bits === right.bits;
  return areWidened && isSame(from, other);
}

function unsigned(least: bigint, most: bigint): Range {
  if (most <= S64_MAX) return { least, most, signedLeast: least, signedMost: most };
  if (least <= S64_MAX) return { least, most, ...SIGNED };
  return { least, most, signedLeast: BigInt.asIntN(64, least), signedMost: BigInt.asIntN(64, most) };
}

function minus(left: Range, right: Range): Range {
  return left.least >= right.most ? unsigned(left.least - right.most, left.most - right.least) : ANYTHING;
}

function hull(left: Range, right: Range): Range {
  return {
    least: smaller(left.least, right.least),
    most: larger(left.most, right.most),
    signedLeast: smaller(left.signedLeast, right.signedLeast),
    signedMost: larger(left.signedMost, right.signedMost),
  };
}

function within(one: Range, other: Range): Range {
  return settled({
    least: larger(one.least, other.least),
    most: smaller(one.most, other.most),
    signedLeast: larger(one.signedLeast, other.signedLeast),
    signedMost: smaller(one.signedMost, other.signedMost),
  });
}

/** A number that is not negative is the same signed and unsigned. */
function settled(range: Range): Range {
  if (range.signedLeast < 0n && range.most > S64_MAX) return range;
  if (range.signedMost < 0n) return range;
  const least = larger(range.least, larger(range.signedLeast, 0n));
  const most = smaller(range.most, range.signedMost);
  return { least, most, signedLeast: least, signedMost: most };
}

/** `range`, of which a comparison with a number in `other` holds. */
function narrow(range: Range, op: CompareOp, other: Range): Range {
  switch (op) {
    case "eq":
      return within(range, other);
    case "ne":
      return range.least === 0n && other.least === 0n && other.most === 0n ? within(range, { ...ANYTHING, least: 1n }) : range;
    case "ult":
      return other.most === 0n ? range : within(range, { ...ANYTHING, most: other.most - 1n });
    case "ule":
      return within(range, { ...ANYTHING, most: other.most });
    case "ugt":
      return within(range, { ...ANYTHING, least: smaller(other.least + 1n, U64_MAX) });
    case "uge":
      return within(range, { ...ANYTHING, least: other.least });
    case "slt":
      return within(range, { ...ANYTHING, signedMost: other.signedMost - 1n });
    case "sle":
      return within(range, { ...ANYTHING, signedMost: other.signedMost });
    case "sgt":
      return within(range, { ...ANYTHING, signedLeast: other.signedLeast + 1n });
    case "sge":
      return within(range, { ...ANYTHING, signedLeast: other.signedLeast });
  }
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function larger(left: bigint, right: bigint): bigint {
  return left < right ? right : left;
}
