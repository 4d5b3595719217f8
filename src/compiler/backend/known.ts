/**
 * Where every way into a block has just compared a register equal to a constant, the register holds it: making it again is
 * superfluous. The everyday case is a failed lookup that returns 0: r0 is 0 already. What may be a packet's address is left out, since the
 * verifier does not believe that it is 0.
 */
import { type MachineBlock, type MachineFunction, predecessors, type Register, writes } from "./machine.ts";

/** Whether anything changed. */
export function removeKnown(fn: MachineFunction): boolean {
  let changed = false;
  const before = predecessors(fn.blocks);
  for (const block of fn.blocks) {
    const fact = commonFact(block, before.get(block) ?? []);
    if (fact === null || block === fn.blocks[0]) continue;
    const index = block.instructions.findIndex((instruction) => writes(instruction, fact.register));
    const first = block.instructions[index];
    if (first?.op !== "const" || first.value !== fact.value) continue;
    block.instructions.splice(index, 1);
    changed = true;
  }
  return changed;
}

interface Fact {
  register: Register;
  value: bigint;
}

function commonFact(block: MachineBlock, sources: readonly MachineBlock[]): Fact | null {
  let common: Fact | null = null;
  for (const { terminator } of sources) {
    if (terminator.op !== "branch" || terminator.then === terminator.otherwise) return null;
    const equal = terminator.then === block ? "eq" : "ne";
    if (terminator.code !== equal || terminator.width !== 64 || terminator.right !== null) return null;
    if (terminator.staysAddress === true) return null;
    const fact = { register: terminator.left, value: BigInt(terminator.imm) };
    if (common !== null && (common.register !== fact.register || common.value !== fact.value)) return null;
    common = fact;
  }
  return common;
}
