/** Which registers are still read later, at the borders of every block: the classic backward data-flow over bit sets. */
import { Bits } from "./bits.ts";
import { FRAME_POINTER, forEachRead, forEachWrite, type MachineBlock, type MachineFunction, successors } from "./machine.ts";

export interface Liveness {
  liveIn(block: MachineBlock): Bits;
  liveOut(block: MachineBlock): Bits;
}

/** r10 is never in the sets: it is always live and never written. */
export function liveness(fn: MachineFunction): Liveness {
  const reads = new Map<MachineBlock, Bits>();
  const writes = new Map<MachineBlock, Bits>();
  const liveIn = new Map<MachineBlock, Bits>();
  const liveOut = new Map<MachineBlock, Bits>();
  for (const block of fn.blocks) {
    const read = new Bits(fn.nextRegister);
    const write = new Bits(fn.nextRegister);
    const visitRead = (register: number): void => {
      if (register !== FRAME_POINTER && !write.has(register)) read.add(register);
    };
    const visitWrite = (register: number): void => write.add(register);
    for (const instruction of block.instructions) {
      forEachRead(instruction, visitRead);
      forEachWrite(instruction, visitWrite);
    }
    forEachRead(block.terminator, visitRead);
    reads.set(block, read);
    writes.set(block, write);
    liveIn.set(block, new Bits(read));
    liveOut.set(block, new Bits(fn.nextRegister));
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (let index = fn.blocks.length - 1; index >= 0; index--) {
      const block = fn.blocks[index] as MachineBlock;
      const out = liveOut.get(block) as Bits;
      let grown = false;
      for (const successor of successors(block)) grown = out.addAll(liveIn.get(successor) as Bits) || grown;
      if (grown && liveIn.get(block)?.addAll(out, writes.get(block))) changed = true;
    }
  }
  return { liveIn: (block) => liveIn.get(block) as Bits, liveOut: (block) => liveOut.get(block) as Bits };
}

/** Walks a block backwards; `visit` sees each instruction with the registers that are live after it. */
export function walkBackwards(block: MachineBlock, liveOut: Bits, visit: (index: number, live: Bits) => void): void {
  const live = new Bits(liveOut);
  const addRead = (register: number): void => {
    if (register !== FRAME_POINTER) live.add(register);
  };
  const removeWrite = (register: number): void => live.delete(register);
  forEachRead(block.terminator, addRead);
  for (let index = block.instructions.length - 1; index >= 0; index--) {
    visit(index, live);
    const instruction = block.instructions[index];
    if (instruction === undefined) continue; // removed by `visit`
    forEachWrite(instruction, removeWrite);
    forEachRead(instruction, addRead);
  }
}
