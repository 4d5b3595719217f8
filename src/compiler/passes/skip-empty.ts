/** Leads edges into blocks that do nothing straight to where those go on. */
import { addIncoming, edgeIndex, phisOf, removeIncoming } from "../ir/edges.ts";
import type { Block, Function } from "../ir/ir.ts";

/** True when anything changed. */
export function skipEmpty(fn: Function): boolean {
  let changed = false;
  for (const block of fn.blocks.slice(1)) {
    const { terminator } = block;
    if (terminator.op !== "jump" || block.instructions.length > 0) continue;
    const [target] = terminator.targets;
    if (target === block) continue;
    for (const predecessor of new Set(block.predecessors)) {
      if (lead(predecessor, block, target)) changed = true;
    }
    if (block.predecessors.length > 0) continue;
    removeIncoming(target, target.predecessors.indexOf(block));
    fn.blocks = fn.blocks.filter((other) => other !== block);
  }
  return changed;
}

/**
 * Moves the edges from `predecessor` to `empty` on to `target`. Not where `target`'s phis would get different values over two
 * edges from one block: the empty block is what tells them apart.
 */
function lead(predecessor: Block, empty: Block, target: Block): boolean {
  const through = target.predecessors.indexOf(empty);
  const direct = target.predecessors.indexOf(predecessor);
  const phis = phisOf(target);
  if (direct >= 0 && phis.some((phi) => phi.args[direct] !== phi.args[through])) return false;
  for (const which of [0, 1]) {
    const { targets } = predecessor.terminator;
    if (targets[which] !== empty) continue;
    removeIncoming(empty, edgeIndex(predecessor, which));
    targets[which] = target;
    addIncoming(target, predecessor, (phi) => phi.args[through] as typeof phi);
  }
  return true;
}
