/**
 * Where the ways to a block bring constants in a register only for the block to write them on the stack, each way writes its own there: a store
 * holds a constant. Likewise where one way brings a constant and the other, which leaves it only for that, a copy of a register. Runs when
 * registers are assigned.
 */
import { liveness } from "./liveness.ts";
import { type MachineBlock, type MachineFunction, type MachineInstruction, predecessors, reads, writes } from "./machine.ts";

type Store = Extract<MachineInstruction, { op: "store" }>;

/** Whether anything changed. */
export function storeConstants(fn: MachineFunction): boolean {
  const before = predecessors(fn.blocks);
  for (const block of fn.blocks) {
    const [store] = block.instructions;
    if (store?.op !== "store" || store.slot === null || store.src === null) continue;
    const sources = before.get(block) ?? [];
    const detour = sources.find((source) => isDetour(source, sources, before.get(source) ?? []));
    const stores = sources.map((source) => (source === detour ? copied(store, source) : constant(store, source, detour)));
    if (sources.length === 0 || !stores.every((each) => each !== null) || isReadBehind(fn, block, store)) continue;
    for (const [index, { instructions }] of sources.entries()) instructions[instructions.length - 1] = stores[index] as Store;
    block.instructions.shift();
    return true;
  }
  return false;
}

/** Is it one of two ways, left from the other one only for an instruction? */
function isDetour(source: MachineBlock, sources: readonly MachineBlock[], before: readonly MachineBlock[]): boolean {
  const [only, another] = before;
  const areTwo = sources.length === 2 && only !== undefined && another === undefined && only !== source;
  return areTwo && sources.includes(only) && source.instructions.length === 1 && source.terminator.op === "jump";
}

/** The store of what the block puts into the register last, before it goes on; `null` when that is no constant that a store can hold. */
function constant(store: Store, { instructions, terminator }: MachineBlock, detour: MachineBlock | undefined): Store | null {
  const last = instructions.at(-1);
  if (last?.op !== "const" || last.dst !== store.src || reads(terminator, last.dst)) return null;
  if (terminator.op !== "jump" && detour === undefined) return null;
  if (BigInt.asIntN(32, last.value) !== BigInt.asIntN(64, last.value)) return null;
  return { ...store, src: null, imm: Number(last.value), span: last.span };
}

/** The store of the register that the block copies; `null` when it does something else. */
function copied(store: Store, { instructions }: MachineBlock): Store | null {
  const last = instructions.at(-1);
  if ((last?.op !== "mov" && last?.op !== "extend") || last.dst !== store.src || last.src === last.dst) return null;
  return last.op === "mov" || last.bits >= store.size * 8 ? { ...store, src: last.src, span: last.span } : null;
}

function isReadBehind(fn: MachineFunction, block: MachineBlock, store: Store): boolean {
  const register = store.src as number;
  for (const instruction of block.instructions.slice(1)) {
    if (reads(instruction, register)) return true;
    if (writes(instruction, register)) return false;
  }
  return reads(block.terminator, register) || liveness(fn).liveOut(block).has(register);
}
