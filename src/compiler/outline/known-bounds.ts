/**
 * The largest that a number can be where a loop is left, as far as comparisons in the loop say: what an index was compared with there
 * counts behind the loop too, but the verifier does not remember it from a loop that became a callback.
 */
import type { Dominators } from "../ir/dominators.ts";
import type { Block, Value } from "../ir/ir.ts";
import type { Exit } from "../ir/loops.ts";
import { decideBehind } from "../passes/known-facts.ts";

/** Answers for values of the loop; `null` when nothing is known. To be asked while the function is whole. */
export function boundsAt(
  exits: readonly Exit[],
  blocks: ReadonlySet<Block>,
  dominators: Dominators,
): (value: Value) => bigint | null {
  const conditions = [...blocks].flatMap((block) => block.instructions.filter(({ op }) => LARGEST[op] !== undefined));
  const known = new Map<Value, bigint | null>();

  const compared = (value: Value): bigint | null => {
    let least: bigint | null = null;
    for (const condition of conditions) {
      const [left, right] = condition.args;
      const rule = LARGEST[condition.op];
      if (left !== value || right?.op !== "const" || right.value < 0n || rule === undefined) continue;
      const most = right.value - (rule.inclusive ? 0n : 1n);
      if (least !== null && most >= least) continue;
      if (exits.every(({ from, target }) => decideBehind(from, target, condition, dominators) === rule.when)) least = most;
    }
    return least;
  };

  const boundOf = (value: Value): bigint | null => {
    if (value.op === "const") return value.value >= 0n ? value.value : null;
    const before = known.get(value);
    if (before !== undefined) return before;
    known.set(value, null);
    const bound = compared(value) ?? made(value);
    known.set(value, bound);
    return bound;
  };

  /** Of what is made of a number that has a bound, by a constant. */
  const made = ({ op, args }: Value): bigint | null => {
    const [left, right] = args;
    if (left === undefined || right?.op !== "const" || right.value < 0n || (op !== "add" && op !== "mul" && op !== "shl"))
      return null;
    const from = boundOf(left);
    if (from === null || (op === "shl" && right.value > 32n)) return null;
    const bound = op === "add" ? from + right.value : op === "mul" ? from * right.value : from << right.value;
    return bound < 1n << 32n ? bound : null;
  };

  return boundOf;
}

/** Comparisons that bound their left side, and with which outcome. */
const LARGEST: Partial<Record<Value["op"], { when: boolean; inclusive: boolean }>> = {
  ule: { when: true, inclusive: true },
  ult: { when: true, inclusive: false },
  ugt: { when: false, inclusive: true },
  uge: { when: false, inclusive: false },
};
