/**
 * Loops that gather: a parser goes on by what each header says of its own length, so all that a round leaves behind is a sum, or what it has read
 * last. The verifier then meets states whose sums are made of the same parts in another order, and they are one to it.
 */
import { isBinary, type Value } from "../ir/ir.ts";
import type { NaturalLoop } from "../ir/loops.ts";

/** How deep what a round computes may be. */
const DEEPEST = 10;
/** With more ways than this through a round there are too many states, however few rounds there are. */
const MOST_WAYS = 100;

/**
 * How many states the verifier goes through at most where rounds begin, all rounds together; infinitely many where the loop does not gather. `phis` are
 * those of the header's by which it keeps states apart.
 */
export function gatheredStates({ header, blocks }: NaturalLoop, phis: readonly Value[], rounds: number): number {
  const inside = new Set<Value>([...blocks].flatMap(({ instructions }) => instructions));
  const others = new Set<Value>(header.instructions.filter(({ op }) => op === "phi"));
  /** By value, without the sum and with it. */
  const known = [new Map<Value, number>(), new Map<Value, number>()] as const;
  let ways = 1;
  for (const phi of phis) {
    known[1].clear();
    const next = phi.args.filter((_, index) => blocks.has(header.predecessors[index] ?? header));
    ways *= next.reduce((sum, value) => sum + waysTo(value, phi, 0), 0);
  }
  return ways <= MOST_WAYS ? combinations(rounds - 1 + ways, ways) : Number.POSITIVE_INFINITY;

  /** In how many ways `value` can come about in a round; infinitely many when there is more to it than a sum of `sum` and what was read. */
  function waysTo(value: Value, sum: Value | null, depth: number): number {
    if (value === sum || value.op === "const" || value.op === "load") return 1;
    if (depth === DEEPEST || !inside.has(value) || others.has(value)) return Number.POSITIVE_INFINITY;
    const memory = known[sum === null ? 0 : 1];
    const before = memory.get(value);
    if (before !== undefined) return before;
    const ways = waysThrough(value, sum, depth);
    memory.set(value, ways);
    return ways;
  }

  function waysThrough(value: Value, sum: Value | null, depth: number): number {
    const below = (summed: Value | null) => value.args.map((each) => waysTo(each, summed, depth + 1));
    if (value.op === "phi") return below(sum).reduce((all, each) => all + each, 0);
    const product = (ways: readonly number[]) => ways.reduce((all, each) => all * each, 1);
    if (value.op === "add" && sum !== null) {
      // The sum may be on one side: twice the sum is another than what its parts make in another order.
      const [left, right] = [below(sum), below(null)];
      return Math.min(...left.map((each, index) => product(right.with(index, each))));
    }
    const keepsSum = value.op === "zext" && value.bits === 32;
    if (!keepsSum && !isBinary(value.op) && value.op !== "zext" && value.op !== "bswap") return Number.POSITIVE_INFINITY;
    return product(below(keepsSum ? sum : null));
  }
}

function combinations(of: number, choose: number): number {
  let count = 1;
  for (let each = 1; each <= choose; each++) count = (count * (of - choose + each)) / each;
  return count;
}
