/** Turns branches that can only go one way into jumps, and drops the blocks that nothing leads to any more. */
import { edgeIndex, keepOnlyTarget, phisOf, removeUnreachable } from "../ir/edges.ts";
import type { Block, Function } from "../ir/ir.ts";
import { reversePostorder } from "../ir/order.ts";

/** True when anything changed. */
export function foldBranches(fn: Function): boolean {
  let changed = false;
  for (const block of fn.blocks) {
    const { terminator } = block;
    if (terminator.op !== "branch") continue;
    const [condition] = terminator.args;
    if (condition.op === "const") keepOnlyTarget(block, condition.value !== 0n ? 0 : 1);
    else if (isPointless(block)) keepOnlyTarget(block, 0);
    else continue;
    changed = true;
  }
  return removeUnreachable(fn, new Set(reversePostorder(fn))) || changed;
}

/** Do both ways lead to one block, bringing it the same values? */
function isPointless(block: Block): boolean {
  const [then, otherwise] = block.terminator.targets;
  if (then === undefined || then !== otherwise) return false;
  const [first, second] = [edgeIndex(block, 0), edgeIndex(block, 1)];
  return phisOf(then).every((phi) => phi.args[first] === phi.args[second]);
}
