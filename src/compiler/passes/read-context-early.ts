/**
 * Reads a field of the context at the start when it is all that the context is needed for behind a call: then the field lives across the
 * call instead of the context, and nothing has to be copied for that. The context can be read anywhere, so no check comes too late; what
 * may have changed by the time is left where it is.
 */
import { effectsOf } from "../ir/effects.ts";
import type { Block, Function, Instruction } from "../ir/ir.ts";
import { blocksBehind } from "../ir/order.ts";
import { usersOf } from "../ir/uses.ts";

/** True when a field is read earlier now. */
export function readContextEarly(fn: Function): boolean {
  const entry = fn.blocks[0] as Block;
  const context = entry.instructions.find(({ op }) => op === "context");
  if (context === undefined) return false;
  const users = usersOf(fn).get(context) ?? [];
  const late = new Set<unknown>();
  let home: Block | null = null;
  for (const block of fn.blocks) {
    const index = block.instructions.findIndex(({ op }) => op === "call");
    if (index < 0) continue;
    const mark = (instructions: readonly Instruction[], where: Block): void => {
      for (const instruction of instructions) {
        if (!users.includes(instruction)) continue;
        late.add(instruction);
        home = where;
      }
    };
    // From the call on, itself included: what it is given must be there, too.
    mark(block.instructions.slice(index), block);
    for (const behind of blocksBehind(block)) mark(behind.instructions, behind);
  }
  const [load, another] = [...late] as Instruction[];
  if (home === null || load?.op !== "load" || load.type !== "int" || another !== undefined) return false;
  if (fn.blocks.some(({ instructions }) => instructions.some(mayChangeContext))) return false;
  const { instructions } = home as Block; // assigned in `mark`
  instructions.splice(instructions.indexOf(load), 1);
  entry.instructions.splice(entry.instructions.indexOf(context) + 1, 0, load);
  return true;
}

function mayChangeContext(instruction: Instruction): boolean {
  if (instruction.op === "call") return effectsOf(instruction.helper).writes.includes("context");
  return instruction.op === "store" && instruction.region === "context";
}
