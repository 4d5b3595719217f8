/** Changes of the control flow that keep predecessor lists and phis in step. An edge is a predecessor and its index in the target's list. */
import type { Block, Function, Instruction, Value } from "./ir.ts";

/** The phis of `block`. */
export function phisOf(block: Block): Instruction[] {
  return block.instructions.filter((instruction) => instruction.op === "phi");
}

/** Forgets the edge at `index` of `target`'s predecessors, with the phis' arguments for it. The terminator is the caller's business. */
export function removeIncoming(target: Block, index: number): void {
  target.predecessors.splice(index, 1);
  for (const phi of phisOf(target)) phi.args.splice(index, 1);
}

/** Adds an edge from `from` to `target`; `valueOf` gives each phi's argument for it. The terminator is the caller's business. */
export function addIncoming(target: Block, from: Block, valueOf: (phi: Instruction) => Value): void {
  const values = phisOf(target).map((phi) => valueOf(phi));
  target.predecessors.push(from);
  for (const [index, phi] of phisOf(target).entries()) phi.args.push(values[index] as Value);
}

/** Makes `block` end in a jump along its edge number `keep`, forgetting the other edges. */
export function keepOnlyTarget(block: Block, keep: 0 | 1): void {
  const { terminator } = block;
  if (terminator.op !== "branch") return;
  const [kept, dropped] = keep === 0 ? terminator.targets : terminator.targets.toReversed();
  const target = kept as Block; // a branch has two
  const other = dropped as Block;
  // Of two edges to one block, the first in its list belongs to targets[0].
  const index = target === other && keep === 0 ? other.predecessors.lastIndexOf(block) : other.predecessors.indexOf(block);
  removeIncoming(other, index);
  block.terminator = { op: "jump", args: [], targets: [target], span: terminator.span };
}

/** The index in `targets[which].predecessors` of the edge that leaves `block` through `targets[which]`. */
export function edgeIndex(block: Block, which: number): number {
  const { targets } = block.terminator;
  const target = targets[which] as Block; // the caller walks the targets
  const twice = targets.length === 2 && targets[0] === targets[1];
  return twice && which === 1 ? target.predecessors.lastIndexOf(block) : target.predecessors.indexOf(block);
}

/** Do the two edges, each a block and the number of its target, go to the same place with the same values? */
export function leadAlike(one: [Block, number], other: [Block, number]): boolean {
  const [target, another] = [one, other].map(([block, which]) => block.terminator.targets[which]) as [Block, Block];
  if (target !== another) return false;
  const [edge, twin] = [one, other].map(([block, which]) => edgeIndex(block, which)) as [number, number];
  return phisOf(target).every((phi) => phi.args[edge] === phi.args[twin]);
}

/** Drops the blocks that no path reaches, and their edges into others. True when there were any. */
export function removeUnreachable(fn: Function, reachable: ReadonlySet<Block>): boolean {
  const dead = fn.blocks.filter((block) => !reachable.has(block));
  if (dead.length === 0) return false;
  for (const block of dead) {
    for (const target of block.terminator.targets) {
      if (reachable.has(target)) removeIncoming(target, target.predecessors.indexOf(block));
    }
  }
  fn.blocks = fn.blocks.filter((block) => reachable.has(block));
  return true;
}
