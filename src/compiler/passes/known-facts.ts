/** What is known at a place because of the branches that every path to it has taken. */
import type { Dominators } from "../ir/dominators.ts";
import type { Block, Value } from "../ir/ir.ts";
import { type Comparison, comparisonOf, type Fact, implied } from "./implication.ts";

/** Enough for every program seen; merges of merges would be searched again and again. */
const MOST_STEPS = 32;

/** What the branch at the end of `from` decided, when it goes to `to`. */
export function factOfEdge(from: Block, to: Block): Fact | null {
  const { terminator } = from;
  if (terminator.op !== "branch" || terminator.targets[0] === terminator.targets[1]) return null;
  return { condition: terminator.args[0], holds: terminator.targets[0] === to };
}

/** What every way to `block` has passed, the latest first; with `top`, what it has passed behind that block's end. */
export function* factsAbove(block: Block, dominators: Dominators, top: Block | null = null): Generator<Fact> {
  for (let current: Block | null = block; current !== null && current !== top; current = dominators.parent(current)) {
    const [before, another] = current.predecessors;
    const fact = before !== undefined && another === undefined ? factOfEdge(before, current) : null;
    if (fact !== null) yield fact;
  }
}

/** The outcome of `condition` at the start of `block`; `null` when the way there does not decide it. */
export function decideIn(block: Block, condition: Value, dominators: Dominators): boolean | null {
  return new Search(dominators, condition, comparisonOf(condition)).before(block);
}

/** The same behind the edge from `from` to `to`. */
export function decideBehind(from: Block, to: Block, condition: Value, dominators: Dominators): boolean | null {
  return new Search(dominators, condition, comparisonOf(condition)).over(from, to);
}

/** The outcome of a comparison that need not be an instruction, behind the edge from `from` to `to`. */
export function decideComparisonBehind(from: Block, to: Block, question: Comparison, dominators: Dominators): boolean | null {
  return new Search(dominators, null, question).over(from, to);
}

class Search {
  readonly #dominators: Dominators;
  readonly #condition: Value | null;
  readonly #question: Comparison | null;
  /** What the question is about: above where that is computed, nothing is known of it, or only of an earlier turn of a loop. */
  readonly #subjects: readonly Value[];
  #steps = 0;

  constructor(dominators: Dominators, condition: Value | null, question: Comparison | null) {
    this.#dominators = dominators;
    this.#condition = condition;
    this.#question = question;
    const subjects = question === null ? [condition] : [question.left, question.right];
    this.#subjects = subjects.flatMap((value) => (value === null || value.op === "const" ? [] : [originOf(value)]));
  }

  over(from: Block, to: Block): boolean | null {
    const fact = factOfEdge(from, to);
    return (fact === null ? null : this.#answer(fact)) ?? this.before(from);
  }

  /** First what every way has passed, which is found however far away it is. */
  before(block: Block): boolean | null {
    for (let current: Block | null = block; current !== null; current = this.#dominators.parent(current)) {
      const [first, another] = current.predecessors;
      if (first === undefined || this.#isComputedIn(current)) break;
      const fact = another === undefined ? factOfEdge(first, current) : null;
      const answer = fact === null ? null : this.#answer(fact);
      if (answer !== null) return answer;
    }
    return this.#into(block);
  }

  #into(block: Block): boolean | null {
    for (let current: Block | null = block; current !== null; current = this.#dominators.parent(current)) {
      if (this.#steps++ > MOST_STEPS) return null;
      const { predecessors } = current;
      const [first, another] = predecessors;
      if (first === undefined || this.#isComputedIn(current)) return null;
      if (another === undefined) {
        const fact = factOfEdge(first, current);
        const answer = fact === null ? null : this.#answer(fact);
        if (answer !== null) return answer;
      } else if (!this.#dominators.isLoopHeader(current)) {
        const answer = this.#unanimous(current);
        if (answer !== null) return answer;
      }
    }
    return null;
  }

  /** The outcome on which all paths into `block` agree: x == 1 on one and x == 2 on the other say both that x != 3. */
  #unanimous(block: Block): boolean | null {
    let common: boolean | null = null;
    for (const predecessor of block.predecessors) {
      const fact = factOfEdge(predecessor, block);
      const answer = (fact === null ? null : this.#answer(fact)) ?? this.#into(predecessor);
      if (answer === null || (common !== null && common !== answer)) return null;
      common = answer;
    }
    return common;
  }

  #answer(fact: Fact): boolean | null {
    if (fact.condition === this.#condition) return fact.holds;
    return this.#question === null ? null : implied(fact, this.#question);
  }

  #isComputedIn(block: Block): boolean {
    return this.#subjects.some((value) => block.instructions.includes(value));
  }
}

/** What is known of a packet's length is known of the pointer to its start. */
function originOf(value: Value): Value {
  const [pointer, step] = value.args;
  return value.op === "add" && pointer?.type === "ptr" && step?.op === "const" ? originOf(pointer) : value;
}
