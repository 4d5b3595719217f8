/**
 * Leads paths past tests whose outcome they know. A view that may be null travels as a bool and a pointer; where paths meet, the
 * bool is a phi of `false` and a bounds check, and the test of that phi is decided on each path that brings a constant. The path
 * goes straight on, and what is left needs no phi.
 *
 * Only blocks that do nothing but compute numbers and test are passed by; pointers are never computed twice. Loop headers stay:
 * passing them by would peel the loop, again and again.
 */
import { evaluateCompare } from "../ir/arithmetic.ts";
import { Dominators } from "../ir/dominators.ts";
import { edgeIndex, phisOf, removeIncoming } from "../ir/edges.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { isBinary, isCompare } from "../ir/ir.ts";
import { newBlockOnEdge, rejoin, valuesLeaving } from "../ir/rejoin.ts";
import { comparisonOf } from "./implication.ts";
import { decideBehind, decideComparisonBehind } from "./known-facts.ts";
import { isNeverNull } from "./rules/compare.ts";

/** More than this many instructions are not repeated to save a test. */
const MOST_REPEATED = 2;

/** True when any path was led past a test. */
export function threadJumps(fn: Function): boolean {
  let changed = false;
  let dominators = new Dominators(fn);
  for (const past of fn.blocks.slice(1)) {
    for (let found = findShortcut(fn, past, dominators); found !== null; found = findShortcut(fn, past, dominators)) {
      thread(fn, found);
      dominators = new Dominators(fn); // a path that goes another way knows other things
      changed = true;
    }
  }
  return changed;
}

interface Shortcut {
  from: Block;
  /** The edge's number at the end of `from`. */
  which: number;
  /** The block that tests. */
  past: Block;
  to: Block;
  /** What `past` computes and others use. */
  leaving: Instruction[];
}

function findShortcut(fn: Function, past: Block, dominators: Dominators): Shortcut | null {
  const { terminator } = past;
  if (terminator.op !== "branch" || terminator.targets[0] === terminator.targets[1]) return null;
  if (past.predecessors.length < 2 || dominators.isLoopHeader(past)) return null;
  if (!past.instructions.every((instruction) => instruction.op === "phi" || isPlain(instruction))) return null;
  for (const from of past.predecessors) {
    const targets: readonly Block[] = from.terminator.targets;
    const which = targets.indexOf(past);
    if (targets.lastIndexOf(past) !== which) continue; // two edges: `foldBranches` or nobody
    const outcome = outcomeFrom(from, which, past, dominators);
    if (outcome === null) continue;
    const leaving = valuesLeaving(fn, past);
    return isRepeatable(leaving, past) ? { from, which, past, to: terminator.targets[outcome ? 0 : 1], leaving } : null;
  }
  return null;
}

/** Is little enough needed of what `block` does for it to be done again on another path? What only its own test needs is not. */
function isRepeatable(leaving: readonly Value[], block: Block): boolean {
  const needed = neededFor(leaving, block);
  return needed.filter(({ op }) => op !== "const").length <= MOST_REPEATED;
}

/** Numbers computed from numbers. */
function isPlain({ op, type }: Instruction): boolean {
  if (type === "ptr") return false;
  return isBinary(op) || isCompare(op) || op === "const" || op === "zext" || op === "sext" || op === "bswap";
}

/** The instructions of `block`, phis aside, that `values` are made of, in order. */
function neededFor(values: readonly Value[], block: Block): Instruction[] {
  const own = new Set<Value>(block.instructions.filter(({ op }) => op !== "phi"));
  const needed = new Set<Value>();
  const waiting = [...values];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (!own.has(value) || needed.has(value)) continue;
    needed.add(value);
    waiting.push(...value.args);
  }
  return block.instructions.filter((instruction) => needed.has(instruction));
}

/** Where `past`'s test leads the path that comes from `from`. */
function outcomeFrom(from: Block, which: number, past: Block, dominators: Dominators): boolean | null {
  const [condition] = past.terminator.args as [Value]; // a branch has one
  const index = edgeIndex(from, which);
  const arriving = (value: Value): Value =>
    value.op === "phi" && past.instructions.includes(value) ? (value.args[index] as Value) : value;
  const value = arriving(condition);
  if (value.op === "const") return value.value !== 0n;
  const comparison = comparisonOf(value);
  if (comparison === null || value !== condition || !past.instructions.includes(value)) {
    return decideBehind(from, past, value, dominators);
  }
  const question = { ...comparison, left: arriving(comparison.left), right: arriving(comparison.right) };
  const { op, left, right } = question;
  if (left.op === "const" && right.op === "const") return evaluateCompare(op, left.value, right.value);
  if (right.op === "const" && right.value === 0n && isNeverNull(left) && (op === "eq" || op === "ne")) return op === "ne";
  return decideComparisonBehind(from, past, question, dominators);
}

function thread(fn: Function, { from, which, past, to, leaving }: Shortcut): void {
  const index = edgeIndex(from, which);
  const copies = new Map<Value, Value>();
  const copyOf = (value: Value): Value => copies.get(value) ?? value;
  for (const phi of phisOf(past)) copies.set(phi, phi.args[index] as Value);
  // What the target's phis take from `past` must exist on the new path too, and so must all that leaves.
  const taken = phisOf(to).map((phi) => phi.args[to.predecessors.indexOf(past)] as Value);
  const repeated = neededFor([...leaving, ...taken], past).map((instruction): Instruction => {
    const copy = { ...instruction, id: fn.nextId++, args: instruction.args.map(copyOf) };
    copies.set(instruction, copy);
    return copy;
  });
  const through = to.predecessors.indexOf(past);
  const twin = newBlockOnEdge(fn, from, which, to, repeated, (phi) => copyOf(phi.args[through] as Value));
  removeIncoming(past, index);
  for (const value of leaving)
    rejoin(
      fn,
      value,
      new Map([
        [past, value],
        [twin, copyOf(value)],
      ]),
    );
}
