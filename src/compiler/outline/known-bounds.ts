/**
 * The largest and the smallest that a number can be where a loop is left, as far as its operation and comparisons in the loop say: what an index
 * was compared with there counts behind the loop too, but the verifier does not remember it from a loop that became a callback.
 */
import type { Dominators } from "../ir/dominators.ts";
import { phisOf } from "../ir/edges.ts";
import type { Block, Value } from "../ir/ir.ts";
import { isCompare } from "../ir/ir.ts";
import type { Exit } from "../ir/loops.ts";
import { constantOf, U64_MAX, upperBound, upperBoundGiven } from "../ir/range.ts";
import { decideBehind } from "../passes/known-facts.ts";

/** Of an unsigned number, both inclusive. */
export interface Bounds {
  least: bigint;
  most: bigint;
}

const ANYTHING: Bounds = { least: 0n, most: U64_MAX };

/**
 * Answers for values of the loop. To be asked while the function is whole. `counted` is what is known of the counters of the loop and of those
 * in it.
 */
export function boundsAt(
  exits: readonly Exit[],
  blocks: ReadonlySet<Block>,
  dominators: Dominators,
  counted: ReadonlyMap<Value, Bounds>,
): (value: Value) => Bounds {
  const conditions = [...blocks].flatMap((block) =>
    block.instructions.filter(({ op, args }) => isCompare(op) && args[1]?.op === "const"),
  );
  const homes = new Map([...blocks].flatMap((block) => phisOf(block).map((phi) => [phi, block])));
  const decided = new Map<Value, boolean | null>();
  const outcomeAtExit = (condition: Value): boolean | null => {
    const before = decided.get(condition);
    if (before !== undefined) return before;
    const [outcome, ...others] = new Set(exits.map(({ from, target }) => decideBehind(from, target, condition, dominators)));
    const common = others.length === 0 ? (outcome ?? null) : null;
    decided.set(condition, common);
    return common;
  };

  /** What comparisons say of `value` where `outcomeOf` tells how they came out. */
  const compared = (value: Value, outcomeOf: (condition: Value) => boolean | null): Bounds => {
    let { least, most } = ANYTHING;
    let signedMost: bigint | null = null;
    let signedLeast = -1n;
    for (const condition of conditions) {
      const [left, right] = condition.args;
      if (left !== value || right?.op !== "const") continue;
      const holds = outcomeOf(condition);
      if (holds === null) continue;
      const constant = BigInt.asUintN(64, right.value);
      const unsigned = UNSIGNED[condition.op];
      if (unsigned?.when === holds) most = smaller(most, constant - (unsigned.inclusive ? 0n : 1n));
      else if (unsigned !== undefined) least = larger(least, constant + (unsigned.inclusive ? 1n : 0n));
      if (condition.op === "eq" && holds) [least, most] = [larger(least, constant), smaller(most, constant)];
      const signed = SIGNED[condition.op];
      if (signed === undefined) continue;
      const edge = right.value - (signed.inclusive ? 0n : 1n);
      if (signed.when === holds) signedMost = signedMost === null ? edge : smaller(signedMost, edge);
      else signedLeast = larger(signedLeast, edge + 1n);
    }
    if (signedLeast < 0n) return { least, most };
    // It is not negative, so it is the same unsigned.
    return { least: larger(least, signedLeast), most: signedMost === null ? most : smaller(most, signedMost) };
  };

  /** What each way into the block of `phi` says of what it brings: the test at the end of a round, of the next round's counter. */
  const brought = (phi: Value): Bounds => {
    const home = homes.get(phi);
    if (home === undefined) return ANYTHING;
    const each = phi.args.map((value, edge): Bounds => {
      const from = home.predecessors[edge] as Block; // one for each argument
      const here = compared(value, (condition) => decideBehind(from, home, condition, dominators));
      return { least: larger(here.least, constantOf(value) ?? 0n), most: smaller(here.most, upperBound(value)) };
    });
    return each.reduce((one, other) => ({ least: smaller(one.least, other.least), most: larger(one.most, other.most) }));
  };

  const known = new Map<Value, Bounds>();
  const boundsOf = (value: Value): Bounds => {
    const before = known.get(value);
    if (before !== undefined) return before;
    known.set(value, ANYTHING); // what a cycle of phis finds when it comes back here
    const told = [
      compared(value, outcomeAtExit),
      counted.get(value),
      value.op === "phi" ? brought(value) : undefined,
      made(value),
    ];
    const found = told.reduce<Bounds>((all, each) => (each === undefined ? all : within(all, each)), ANYTHING);
    known.set(value, found);
    const most = upperBoundGiven(value, (each) => boundsOf(each).most);
    const result = within(found, { least: 0n, most });
    known.set(value, result);
    return result;
  };

  /** By the value's operation, where that keeps the smallest. */
  const made = (value: Value): Bounds | undefined => {
    const constant = constantOf(value);
    if (constant !== null) return { least: constant, most: constant };
    const [left, right] = value.args;
    if (value.type !== "int" || left === undefined || left.type !== "int") return undefined;
    const one = value.op === "phi" ? ANYTHING : boundsOf(left);
    if (value.op === "zext") return one.most < 1n << BigInt(value.bits) ? one : undefined;
    const distance = value.op === "add" && right?.op === "const" ? BigInt.asIntN(64, right.value) : null;
    if (distance !== null && distance < 0n) return minus(one, { least: -distance, most: -distance });
    const other = right === undefined || value.op === "phi" ? ANYTHING : boundsOf(right);
    switch (value.op) {
      case "add":
        return whole({ least: one.least + other.least, most: one.most + other.most });
      case "sub":
        return minus(one, other);
      case "mul":
        return whole({ least: one.least * other.least, most: one.most * other.most });
      default:
        return undefined;
    }
  };

  return boundsOf;
}

function minus(one: Bounds, other: Bounds): Bounds | undefined {
  return one.least >= other.most ? { least: one.least - other.most, most: one.most - other.least } : undefined;
}

/** Of a sum or product that does not wrap. */
function whole(bounds: Bounds): Bounds | undefined {
  return bounds.most > U64_MAX ? undefined : bounds;
}

function within(one: Bounds, other: Bounds): Bounds {
  return { least: larger(one.least, other.least), most: smaller(one.most, other.most) };
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function larger(left: bigint, right: bigint): bigint {
  return left < right ? right : left;
}

interface Rule {
  /** The outcome that bounds the left side; the other one says that it is larger. */
  when: boolean;
  inclusive: boolean;
}

const UNSIGNED: Partial<Record<Value["op"], Rule>> = {
  ule: { when: true, inclusive: true },
  ult: { when: true, inclusive: false },
  ugt: { when: false, inclusive: true },
  uge: { when: false, inclusive: false },
};

const SIGNED: Partial<Record<Value["op"], Rule>> = {
  sle: { when: true, inclusive: true },
  slt: { when: true, inclusive: false },
  sgt: { when: false, inclusive: true },
  sge: { when: false, inclusive: false },
};
