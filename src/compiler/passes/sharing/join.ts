/** Puts one piece of code in the place of two. */
import { removeIncoming } from "../../ir/edges.ts";
import type { Block, Function, Instruction, Value } from "../../ir/ir.ts";
import type { Match, Parameter } from "./match.ts";

export interface Joined {
  shared: Block;
  phis: Map<Parameter, Instruction>;
}

/** Makes both sides of `match` run the original; returns the block where they meet, and the phis of the parameters. */
export function join(fn: Function, { blocks, suffix, parameters, places, exit }: Match): Joined {
  const [[original, copy]] = [...blocks] as [[Block, Block]]; // the entries come first
  const { span } = original.terminator;
  const shared: Block = {
    id: fn.nextId++,
    predecessors: [original, copy],
    instructions: original.instructions.splice(original.instructions.length - suffix),
    terminator: original.terminator,
  };
  copy.instructions.length -= suffix;
  const phis = new Map<Parameter, Instruction>();
  for (const parameter of parameters) {
    const other = parameter.delta === 0 ? parameter.copy : moved(fn, copy, parameter.copy, parameter.delta);
    const { type } = parameter.original;
    phis.set(parameter, { op: "phi", id: fn.nextId++, type, args: [parameter.original, other], span: null });
  }
  for (const { user, index, parameter } of places) user.args[index] = phis.get(parameter) as Value;
  shared.instructions.unshift(...phis.values());

  // The copy's edges go, then the original's start in the shared block.
  const gone = new Set([...blocks.values()]);
  // What is behind an exit is the caller's business.
  const twin = exit?.kind === "edge" ? blocks.get(exit.block) : undefined;
  for (const block of gone) {
    for (const [which, target] of block.terminator.targets.entries()) {
      const isExit = block === twin && exit?.kind === "edge" && exit.which === which;
      if (!gone.has(target) && !isExit) removeIncoming(target, target.predecessors.indexOf(block));
    }
  }
  for (const target of shared.terminator.targets) {
    target.predecessors = target.predecessors.map((block) => (block === original ? shared : block));
  }
  for (const block of [original, copy]) block.terminator = { op: "jump", args: [], targets: [shared], span };
  gone.delete(copy);
  fn.blocks = fn.blocks.filter((block) => !gone.has(block));
  fn.blocks.splice(fn.blocks.indexOf(original) + 1, 0, shared);
  return { shared, phis };
}

/** `pointer` plus a constant, at the end of `block`. */
function moved(fn: Function, block: Block, pointer: Value, delta: number): Value {
  const step: Instruction = { op: "const", id: fn.nextId++, type: "int", args: [], value: BigInt(delta), span: null };
  const result: Instruction = { op: "add", id: fn.nextId++, type: "ptr", args: [pointer, step], span: null };
  block.instructions.push(step, result);
  return result;
}
