/**
 * Removes stores of a number to its home (`homes.ts`) where every way leads past a store of the same number, and of no other in between:
 * what was written ahead for the paths that end early is right for others, too. Before places on the stack are shared.
 */
import { type MachineBlock, type MachineFunction, type Slot, successors } from "./machine.ts";
import { isHomeStore, isStoreTo } from "./preset.ts";

/** What a home holds: a number, or anything. */
type Content = number | "any";

export function removeKnownStores(fn: MachineFunction): void {
  const homes = new Set<Slot>();
  for (const { instructions } of fn.blocks) for (const each of instructions) if (isHomeStore(each)) homes.add(each.slot);
  for (const slot of homes) {
    const before = contents(fn, slot);
    for (const block of fn.blocks) {
      let content = before.get(block) ?? "any";
      block.instructions = block.instructions.filter((instruction) => {
        if (!isStoreTo(instruction, slot)) return true;
        const known = content;
        content = isHomeStore(instruction) ? instruction.imm : "any";
        return content === "any" || content !== known;
      });
    }
  }
}

/** What the home holds at the start of each block. */
function contents(fn: MachineFunction, slot: Slot): Map<MachineBlock, Content> {
  const before = new Map<MachineBlock, Content>();
  const entry = fn.blocks[0] as MachineBlock; // a function has one
  before.set(entry, "any");
  const waiting = [entry];
  for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
    const last = block.instructions.findLast((instruction) => isStoreTo(instruction, slot));
    const after = last === undefined ? (before.get(block) as Content) : isHomeStore(last) ? last.imm : "any";
    for (const next of successors(block)) {
      const known = before.get(next);
      if (known === after || known === "any") continue;
      before.set(next, known === undefined ? after : "any");
      waiting.push(next);
    }
  }
  return before;
}
