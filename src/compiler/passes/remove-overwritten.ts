/**
 * Removes stores whose bytes are all written again before anybody can look: of two bit fields of one byte that are set one after the
 * other, each store writes the whole byte. Within a block; what the stack holds at a function's end is `remove-dead-stores`' business.
 */
import type { Function, Instruction } from "../ir/ir.ts";
import { Aliases, type Location, locationOf } from "../ir/memory.ts";

/** True when any store went. */
export function removeOverwritten(fn: Function): boolean {
  const aliases = new Aliases(fn);
  let changed = false;
  for (const block of fn.blocks) {
    /** What is written later in the block, with nobody looking in between. */
    let written: Location[] = [];
    const kept: Instruction[] = [];
    for (const instruction of block.instructions.toReversed()) {
      switch (instruction.op) {
        case "store": {
          const location = locationOf(instruction);
          if (written.some((later) => covers(later, location))) {
            changed = true;
            continue;
          }
          written.push(location);
          break;
        }
        case "load":
        case "atomic_add": {
          const location = locationOf(instruction);
          written = written.filter((later) => !aliases.mayOverlap(later, location));
          break;
        }
        case "call": {
          const { helper } = instruction;
          written = written.filter((later) => !aliases.mayBeRead(later, helper) && !aliases.mayBeWritten(later, helper));
          break;
        }
        default:
      }
      kept.push(instruction);
    }
    if (kept.length < block.instructions.length) block.instructions = kept.reverse();
  }
  return changed;
}

function covers(later: Location, { base, region, offset, size }: Location): boolean {
  return later.base === base && later.region === region && later.offset <= offset && offset + size <= later.offset + later.size;
}
