/** What is known at a place because of the branches that every path to it has taken. */
import type { Dominators } from "../ir/dominators.ts";
import type { Block, Value } from "../ir/ir.ts";
import { type Comparison, comparisonOf, type Fact, implied } from "./implication.ts";

/** Deeper nests are not searched to the top. */
const FARTHEST = 64;

/** What the last branch before `block` decided, when only one edge leads there. */
function factOfEntering(block: Block): Fact | null {
  const [predecessor, another] = block.predecessors;
  return predecessor === undefined || another !== undefined ? null : factOfEdge(predecessor, block);
}

/** What the branch at the end of `from` decided, when it goes to `to`. */
export function factOfEdge(from: Block, to: Block): Fact | null {
  const { terminator } = from;
  if (terminator.op !== "branch" || terminator.targets[0] === terminator.targets[1]) return null;
  return { condition: terminator.args[0], holds: terminator.targets[0] === to };
}

/** The facts known in `block`, the latest first. */
export function* factsIn(block: Block, dominators: Dominators): Generator<Fact> {
  let current: Block | null = block;
  for (let steps = 0; current !== null && steps < FARTHEST; steps++, current = dominators.parent(current)) {
    const fact = factOfEntering(current);
    if (fact !== null) yield fact;
  }
}

/** The outcome of `condition` given `facts`; `null` when they do not decide it. */
export function decide(condition: Value, facts: Iterable<Fact>): boolean | null {
  const question = comparisonOf(condition);
  for (const fact of facts) {
    if (fact.condition === condition) return fact.holds;
    const answer = question === null ? null : implied(fact, question);
    if (answer !== null) return answer;
  }
  return null;
}

/** The outcome of a comparison that need not be an instruction. */
export function decideComparison(question: Comparison, facts: Iterable<Fact>): boolean | null {
  for (const fact of facts) {
    const answer = implied(fact, question);
    if (answer !== null) return answer;
  }
  return null;
}
