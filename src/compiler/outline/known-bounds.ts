/**
 * The largest that a number can be where a loop is left, as far as its operation and comparisons in the loop say: what an index was
 * compared with there counts behind the loop too, but the verifier does not remember it from a loop that became a callback.
 */
import type { Dominators } from "../ir/dominators.ts";
import { phisOf } from "../ir/edges.ts";
import type { Block, Value } from "../ir/ir.ts";
import { isCompare } from "../ir/ir.ts";
import type { Exit } from "../ir/loops.ts";
import { U64_MAX, upperBound, upperBoundGiven } from "../ir/range.ts";
import { decideBehind } from "../passes/known-facts.ts";

/**
 * Answers for values of the loop; `null` when nothing is known. To be asked while the function is whole. `counted` is what is known of the
 * counters of the loop and of those in it.
 */
export function boundsAt(
  exits: readonly Exit[],
  blocks: ReadonlySet<Block>,
  dominators: Dominators,
  counted: ReadonlyMap<Value, bigint>,
): (value: Value) => bigint | null {
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
  const compared = (value: Value, outcomeOf: (condition: Value) => boolean | null): bigint => {
    let most = U64_MAX;
    let signedMost: bigint | null = null;
    let isNegative: boolean | null = null;
    for (const condition of conditions) {
      const [left, right] = condition.args;
      if (left !== value || right?.op !== "const") continue;
      const holds = outcomeOf(condition);
      if (holds === null) continue;
      const constant = right.value;
      const unsigned = UNSIGNED[condition.op];
      if (unsigned?.when === holds) most = smaller(most, BigInt.asUintN(64, constant) - (unsigned.inclusive ? 0n : 1n));
      if (condition.op === "eq" && holds) most = smaller(most, BigInt.asUintN(64, constant));
      const signed = SIGNED[condition.op];
      if (signed === undefined) continue;
      const edge = constant - (signed.inclusive ? 0n : 1n);
      if (signed.when === holds) signedMost = signedMost === null ? edge : smaller(signedMost, edge);
      else if (edge >= -1n) isNegative = false;
    }
    if (isNegative === false && signedMost !== null && signedMost >= 0n) most = smaller(most, signedMost);
    return most;
  };

  /** What each way into the block of `phi` says of what it brings: the test at the end of a round, of the next round's counter. */
  const brought = (phi: Value): bigint => {
    const home = homes.get(phi);
    if (home === undefined) return U64_MAX;
    return phi.args.reduce((most, value, edge) => {
      const from = home.predecessors[edge] as Block; // one for each argument
      const here = compared(value, (condition) => decideBehind(from, home, condition, dominators));
      return larger(most, smaller(here, upperBound(value)));
    }, 0n);
  };

  const given = (value: Value): bigint | null => {
    const atExit = smaller(compared(value, outcomeAtExit), counted.get(value) ?? U64_MAX);
    const most = value.op === "phi" ? smaller(atExit, brought(value)) : atExit;
    return most === U64_MAX ? null : most;
  };

  return (value) => {
    const most = upperBoundGiven(value, given);
    return most === U64_MAX ? null : most;
  };
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
