/**
 * Removes instructions whose result nobody needs: what selection folded into its users. A register is needed when an instruction
 * with an effect reads it, or one whose own result is needed; changing a register in place does not make it needed.
 */
import { FIRST_VIRTUAL, forEachRead, type MachineFunction, type MachineInstruction, written } from "./machine.ts";

export function sweep(fn: MachineFunction): void {
  const definitions = new Map<number, MachineInstruction[]>();
  const needed = new Set<number>();
  const waiting: number[] = [];
  const need = (register: number): void => {
    if (needed.has(register)) return;
    needed.add(register);
    waiting.push(register);
  };
  for (const block of fn.blocks) {
    for (const instruction of block.instructions) {
      const register = written(instruction);
      if (register < FIRST_VIRTUAL) forEachRead(instruction, need);
      else {
        const list = definitions.get(register);
        if (list === undefined) definitions.set(register, [instruction]);
        else list.push(instruction);
      }
    }
    forEachRead(block.terminator, need);
  }
  for (let register = waiting.pop(); register !== undefined; register = waiting.pop()) {
    for (const instruction of definitions.get(register) ?? []) forEachRead(instruction, need);
  }
  for (const block of fn.blocks) {
    block.instructions = block.instructions.filter((instruction) => {
      const register = written(instruction);
      return register < FIRST_VIRTUAL || needed.has(register);
    });
  }
}
