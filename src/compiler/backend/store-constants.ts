/**
 * Where every way to a block brings a constant in a register only for the block to write it on the stack, each way writes its constant there
 * itself: a store holds a constant. Runs when registers are assigned.
 */
import { liveness } from "./liveness.ts";
import { type MachineBlock, type MachineFunction, type MachineInstruction, predecessors, reads, writes } from "./machine.ts";

type Store = Extract<MachineInstruction, { op: "store" }>;
type Constant = Extract<MachineInstruction, { op: "const" }>;

/** Whether anything changed. */
export function storeConstants(fn: MachineFunction): boolean {
  const before = predecessors(fn.blocks);
  for (const block of fn.blocks) {
    const [store] = block.instructions;
    if (store?.op !== "store" || store.slot === null || store.src === null) continue;
    const sources = before.get(block) ?? [];
    const constants = sources.map((source) => constantFor(store.src as number, source));
    if (sources.length === 0 || !constants.every((each) => each !== null) || isReadBehind(fn, block, store)) continue;
    for (const [index, source] of sources.entries()) {
      const { value, span } = constants[index] as Constant;
      source.instructions[source.instructions.length - 1] = { ...store, src: null, imm: Number(value), span };
    }
    block.instructions.shift();
    return true;
  }
  return false;
}

/** What the block puts into the register last, before it goes on in one way; `null` when that is no constant that a store can hold. */
function constantFor(register: number, { instructions, terminator }: MachineBlock): Constant | null {
  const last = instructions.at(-1);
  if (last?.op !== "const" || last.dst !== register || terminator.op !== "jump") return null;
  return BigInt.asIntN(32, last.value) === BigInt.asIntN(64, last.value) ? last : null;
}

function isReadBehind(fn: MachineFunction, block: MachineBlock, store: Store): boolean {
  const register = store.src as number;
  for (const instruction of block.instructions.slice(1)) {
    if (reads(instruction, register)) return true;
    if (writes(instruction, register)) return false;
  }
  return reads(block.terminator, register) || liveness(fn).liveOut(block).has(register);
}
