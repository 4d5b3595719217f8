/** Removes phis that merge one value with itself. */
import { phisOf } from "../ir/edges.ts";
import type { Function, Instruction, Value } from "../ir/ir.ts";
import { Replacements } from "../ir/uses.ts";

/** True when anything went. */
export function removeTrivialPhis(fn: Function): boolean {
  const replacements = new Replacements();
  for (let changed = true; changed; ) {
    changed = false;
    for (const phi of fn.blocks.flatMap(phisOf)) {
      if (replacements.has(phi)) continue;
      const only = onlyValue(phi, replacements);
      if (only === null) continue;
      replacements.set(phi, only);
      changed = true; // phis of this phi may merge one value now
    }
  }
  return replacements.apply(fn);
}

/** The one value that `phi` merges besides itself. */
function onlyValue(phi: Instruction, replacements: Replacements): Value | null {
  let only: Value | null = null;
  for (const argument of phi.args) {
    const value = replacements.resolve(argument);
    if (value === phi || value === only) continue;
    if (only !== null) return null;
    only = value;
  }
  return only;
}
