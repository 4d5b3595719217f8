/**
 * Puts every constant into the entry block, once. They cost nothing there, since the back end makes them where they are used; blocks
 * that did nothing but make one are empty, and equal blocks look equal.
 */
import type { Function, Instruction } from "../ir/ir.ts";
import { Replacements } from "../ir/uses.ts";

/** True when any constant moved. */
export function gatherConstants(fn: Function): boolean {
  const [entry] = fn.blocks;
  if (entry === undefined) return false;
  const first = new Map<string, Instruction>();
  const moved: Instruction[] = [];
  const replacements = new Replacements();
  for (const block of fn.blocks) {
    const kept = block.instructions.filter((instruction) => {
      if (instruction.op !== "const") return true;
      const key = `${instruction.type} ${instruction.value}`;
      const known = first.get(key);
      if (known !== undefined) {
        replacements.set(instruction, known);
        return false;
      }
      first.set(key, instruction);
      if (block === entry) return true;
      instruction.span = null;
      moved.push(instruction);
      return false;
    });
    if (kept.length < block.instructions.length) block.instructions = kept;
  }
  entry.instructions.unshift(...moved);
  return replacements.apply(fn) || moved.length > 0;
}
