/**
 * Tests whether a signed number is at least 0 and below a limit by one comparison: as an unsigned number, one below 0 is larger than
 * any limit. For `0 < x` the same holds where x is known not to be 0. The verifier learns both bounds from the one comparison.
 */
import { edgeIndex, keepOnlyTarget, phisOf } from "../ir/edges.ts";
import { type Block, type CompareOp, type Function, isCompare, type Value } from "../ir/ir.ts";

/** True when any two comparisons became one. */
export function mergeRanges(fn: Function): boolean {
  let changed = false;
  for (const block of fn.blocks) if (mergeAt(block)) changed = true;
  return changed;
}

function mergeAt(block: Block): boolean {
  const { terminator } = block;
  if (terminator.op !== "branch") return false;
  const tested = lowerBound(terminator.args[0]);
  if (tested === null || (tested.excludesZero && !isKnownNotZero(block, tested.value))) return false;
  const which = tested.holds ? 0 : 1;
  const next = terminator.targets[which] as Block;
  const failed: Edge = [block, 1 - which];
  if (next === block || next.predecessors.length !== 1 || next.terminator.op !== "branch") return false;
  const limit = next.terminator.args[0];
  const unsigned = unsignedOf(limit);
  if (unsigned === null || limit.args[0] !== tested.value || (limit.args[1] as Value).type === "ptr") return false;
  const bound = limit.args[1];
  if (bound?.op !== "const" || bound.value < 0n || next.instructions.some(({ op }) => !isCompare(op) && op !== "const"))
    return false;
  if (next.instructions.some((other) => other !== limit && isCompare(other.op))) return false;
  if (!isSameEnd(failed, [next, unsigned.holds ? 1 : 0])) return false;
  if (!next.instructions.includes(limit)) return false;
  limit.op = unsigned.op;
  keepOnlyTarget(block, which);
  return true;
}

/** The number that a condition says is at least 0, or above it; `holds` when it says so by being true. */
function lowerBound({ op, args: [value, bound] }: Value): { value: Value; excludesZero: boolean; holds: boolean } | null {
  if (value === undefined || value.type === "ptr" || bound?.op !== "const") return null;
  const from = (first: bigint): { value: Value; excludesZero: boolean } | null =>
    first === 0n || first === 1n ? { value, excludesZero: first === 1n } : null;
  const found = op === "sge" || op === "slt" ? from(bound.value) : op === "sgt" || op === "sle" ? from(bound.value + 1n) : null;
  return found === null ? null : { ...found, holds: op === "sge" || op === "sgt" };
}

/** The comparison as one of unsigned numbers; `holds` when it is true below the limit. */
function unsignedOf({ op }: Value): { op: CompareOp; holds: boolean } | null {
  switch (op) {
    case "slt":
      return { op: "ult", holds: true };
    case "sle":
      return { op: "ule", holds: true };
    case "sgt":
      return { op: "ugt", holds: false };
    case "sge":
      return { op: "uge", holds: false };
    default:
      return null;
  }
}

/** A block, and the number of its target. */
type Edge = readonly [Block, number];

/** Do both lead to the same block, with the same values, be it by way of blocks that do nothing? */
function isSameEnd(one: Edge, other: Edge): boolean {
  const [[from, which], [twin, twinWhich]] = [lastOf(one), lastOf(other)];
  const target = from.terminator.targets[which] as Block;
  if (twin.terminator.targets[twinWhich] !== target) return false;
  const [edge, twinEdge] = [edgeIndex(from, which), edgeIndex(twin, twinWhich)];
  return phisOf(target).every((phi) => isSameValue(phi.args[edge] as Value, phi.args[twinEdge] as Value));
}

function lastOf(edge: Edge): Edge {
  const target = edge[0].terminator.targets[edge[1]] as Block;
  const isEmpty = target.terminator.op === "jump" && target.instructions.every(({ op }) => op === "const");
  return isEmpty && target.predecessors.length === 1 ? [target, 0] : edge;
}

function isSameValue(left: Value, right: Value): boolean {
  return (
    left === right || (left.op === "const" && right.op === "const" && left.type === right.type && left.value === right.value)
  );
}

/** Does every way to `block` come by a test that `value` is not 0? */
function isKnownNotZero(block: Block, value: Value): boolean {
  for (let at = block; ; ) {
    const [from, another] = at.predecessors;
    if (from === undefined || another !== undefined || from === block) return false;
    const { terminator } = from;
    if (terminator.op === "branch") {
      const { op, args } = terminator.args[0];
      const [tested, bound] = args;
      const isTest = (op === "eq" || op === "ne") && tested === value && bound?.op === "const" && bound.value === 0n;
      if (isTest && terminator.targets[op === "ne" ? 0 : 1] === at) return true;
    }
    at = from;
  }
}
