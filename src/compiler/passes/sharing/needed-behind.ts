/** What the code behind a place where two copies part needs from before the copies. */
import type { Block, Function, Instruction, Value } from "../../ir/ir.ts";
import { blocksBehind } from "../../ir/order.ts";
import type { Exit } from "./match.ts";

/**
 * The values that are used behind `exit`, a place in the block `from`, other than those of `inside`, and computed in a block for which
 * `isOwn` is true; in the order in which the function computes them.
 */
export function neededBehind(
  fn: Function,
  from: Block,
  exit: Exit,
  inside: ReadonlySet<Value>,
  isOwn: (home: Block) => boolean,
): Instruction[] {
  const used = new Set<Value>();
  const first = exit.kind === "edge" ? [from.terminator.targets[exit.which] as Block] : [...from.terminator.targets];
  const behind = new Set(first.flatMap((block) => [block, ...blocksBehind(block)]));
  const add = (values: readonly Value[]): void => {
    for (const value of values) used.add(value);
  };
  if (exit.kind === "inside") {
    for (const instruction of from.instructions.slice(exit.at)) add(instruction.args);
    add(from.terminator.args);
  }
  for (const block of behind) {
    for (const instruction of block.instructions) {
      if (instruction.op !== "phi") add(instruction.args);
      else add(instruction.args.filter((_, edge) => comesFrom(block.predecessors[edge] as Block, block)));
    }
    add(block.terminator.args);
  }
  return fn.blocks
    .filter(isOwn)
    .flatMap(({ instructions }) => instructions.filter((value) => used.has(value) && !inside.has(value)));

  /** Does the edge belong to what is behind, or lead there? */
  function comesFrom(predecessor: Block, block: Block): boolean {
    return behind.has(predecessor) || (predecessor === from && first.includes(block));
  }
}
