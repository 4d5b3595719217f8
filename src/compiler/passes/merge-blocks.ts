/** Joins a block with the one that it always goes on to, when nothing else leads there. */
import { phisOf } from "../ir/edges.ts";
import type { Block, Function } from "../ir/ir.ts";
import { Replacements } from "../ir/uses.ts";

/** True when anything changed. */
export function mergeBlocks(fn: Function): boolean {
  const gone = new Set<Block>();
  const replacements = new Replacements();
  for (const block of fn.blocks) {
    if (gone.has(block)) continue;
    for (let next = onlySuccessor(block); next !== null; next = onlySuccessor(block)) {
      for (const phi of phisOf(next)) replacements.set(phi, phi.args[0] as typeof phi); // one predecessor, one argument
      block.instructions.push(...next.instructions.filter((instruction) => instruction.op !== "phi"));
      block.terminator = next.terminator;
      for (const target of next.terminator.targets) {
        target.predecessors = target.predecessors.map((predecessor) => (predecessor === next ? block : predecessor));
      }
      gone.add(next);
    }
  }
  if (gone.size === 0) return false;
  fn.blocks = fn.blocks.filter((block) => !gone.has(block));
  replacements.apply(fn);
  return true;
}

function onlySuccessor(block: Block): Block | null {
  if (block.terminator.op !== "jump") return null;
  const [next] = block.terminator.targets;
  return next.predecessors.length === 1 && next !== block ? next : null;
}
