/**
 * Makes what enters a loop enter it from one block. A number that comes by several ways into the loop and stays the same in it has a phi at the
 * loop's start otherwise, as if it changed from round to round: the verifier would be made to forget it.
 */
import { phisOf } from "../ir/edges.ts";
import type { Block, Function, Instruction } from "../ir/ir.ts";
import type { NaturalLoop } from "../ir/loops.ts";
import { removeTrivialPhis } from "../passes/remove-trivial-phis.ts";

export function enterFromOneBlock(fn: Function, { header, latches }: NaturalLoop): void {
  const outside = header.predecessors.flatMap((block, index) => (latches.includes(block) ? [] : [index]));
  if (outside.length < 2) return;
  const inside = header.predecessors.flatMap((block, index) => (latches.includes(block) ? [index] : []));
  const before: Block = {
    id: fn.nextId++,
    predecessors: outside.map((index) => header.predecessors[index] as Block),
    instructions: [],
    terminator: { op: "jump", args: [], targets: [header], span: header.terminator.span },
  };
  for (const phi of phisOf(header)) {
    const args = phi.args;
    const entering: Instruction = {
      op: "phi",
      id: fn.nextId++,
      type: phi.type,
      args: outside.map((index) => args[index] as Instruction),
      span: phi.span,
    };
    before.instructions.push(entering);
    phi.args = [entering, ...inside.map((index) => args[index] as Instruction)];
  }
  for (const block of new Set(before.predecessors)) {
    block.terminator.targets.forEach((target, which) => {
      if (target === header) block.terminator.targets[which] = before;
    });
  }
  header.predecessors = [before, ...inside.map((index) => header.predecessors[index] as Block)];
  fn.blocks.splice(fn.blocks.indexOf(header), 0, before);
  while (removeTrivialPhis(fn));
}
