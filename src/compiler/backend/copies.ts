/**
 * Removes copies, constants and reloads whose value is in the register already, once registers are assigned. The allocator leaves such
 * behind where a value lives in two places at once: the context in r6 that was in r1 anyway, a spilled value that has just been stored.
 *
 * What is known flows forward: equalities between a register and another one, a constant, or a spill's slot, on all ways into a block.
 */
import {
  COLOURS,
  FRAME_POINTER,
  forEachWrite,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  type Register,
  type Slot,
  successors,
} from "./machine.ts";

/** What a register holds: the number of a value that may stand in several places. */
type Value = number;
interface State {
  registers: (Value | null)[];
  slots: Map<Slot, Value>;
}

export function removeCopies(fn: MachineFunction): void {
  const numbers = new Numbers();
  const before = solve(fn, numbers);
  for (const block of fn.blocks) {
    const state = copyOf(before.get(block) as State);
    const output: MachineInstruction[] = [];
    for (const instruction of block.instructions) {
      const better = improve(instruction, state, numbers);
      if (better !== null) output.push(better);
      step(instruction, state, numbers);
    }
    block.instructions = output;
  }
}

/** The instruction, one that does the same for less, or null when nothing is to be done. */
function improve(instruction: MachineInstruction, state: State, numbers: Numbers): MachineInstruction | null {
  // What such an addition makes counts as new, so that the copy in front of it stays (`compare-copies.ts`).
  if (isAdditionOfNothing(instruction)) return null;
  const value = valueOf(instruction, state, numbers);
  if (value === null || !("dst" in instruction)) return instruction;
  if (state.registers[instruction.dst] === value) return null;
  if (instruction.op !== "load") return instruction;
  const src = state.registers.indexOf(value);
  return src < 0 ? instruction : { op: "mov", dst: instruction.dst, src, span: instruction.span };
}

function isAdditionOfNothing(instruction: MachineInstruction): boolean {
  return (
    instruction.op === "alu" &&
    instruction.code === "add" &&
    instruction.width === 64 &&
    instruction.src === null &&
    instruction.imm === 0
  );
}

/** The number of what a copy, a constant or a reload gives, if it is known. */
function valueOf(instruction: MachineInstruction, state: State, numbers: Numbers): Value | null {
  switch (instruction.op) {
    case "mov":
      return instruction.src === FRAME_POINTER ? null : (state.registers[instruction.src] ?? null);
    case "const":
      return numbers.ofConstant(instruction.value);
    case "load":
      return isSpill(instruction) ? (state.slots.get(instruction.slot) ?? null) : null;
    default:
      return null;
  }
}

function isSpill<T extends MachineInstruction>(instruction: T): instruction is T & { slot: Slot } {
  return "slot" in instruction && instruction.slot !== null && instruction.slot.spill;
}

function step(instruction: MachineInstruction, state: State, numbers: Numbers): void {
  if (instruction.op === "store" && isSpill(instruction)) {
    const value = instruction.src === null ? null : (state.registers[instruction.src] ?? null);
    if (value === null) state.slots.delete(instruction.slot);
    else state.slots.set(instruction.slot, value);
    return;
  }
  const value = valueOf(instruction, state, numbers) ?? numbers.of(instruction);
  forEachWrite(instruction, (register: Register) => {
    state.registers[register] = instruction.op === "call" ? null : value;
  });
  // r0 holds something new, too.
  if (instruction.op === "call") state.registers[0] = value;
  if (instruction.op === "load" && isSpill(instruction)) state.slots.set(instruction.slot, value);
}

function solve(fn: MachineFunction, numbers: Numbers): Map<MachineBlock, State> {
  const entry = fn.blocks[0] as MachineBlock;
  const start: State = {
    registers: Array.from({ length: COLOURS }, (_, register) => numbers.ofEntry(register)),
    slots: new Map(),
  };
  const before = new Map([[entry, start]]);
  const waiting = new Set([entry]);
  for (const block of waiting) {
    waiting.delete(block);
    const state = copyOf(before.get(block) as State);
    for (const instruction of block.instructions) step(instruction, state, numbers);
    for (const next of successors(block)) if (meet(before, next, state)) waiting.add(next);
  }
  return before;
}

/** What both ways agree on. Whether the block knows less than before. */
function meet(before: Map<MachineBlock, State>, block: MachineBlock, state: State): boolean {
  const known = before.get(block);
  if (known === undefined) {
    before.set(block, copyOf(state));
    return true;
  }
  let changed = false;
  for (const [register, value] of known.registers.entries()) {
    if (value === null || value === state.registers[register]) continue;
    known.registers[register] = null;
    changed = true;
  }
  for (const [slot, value] of known.slots) {
    if (value === state.slots.get(slot)) continue;
    known.slots.delete(slot);
    changed = true;
  }
  return changed;
}

function copyOf({ registers, slots }: State): State {
  return { registers: [...registers], slots: new Map(slots) };
}

/** Numbers for values: the same one for the same constant, and for what the same instruction makes. */
class Numbers {
  readonly #known = new Map<unknown, Value>();

  /** Of what the instruction makes; in a loop that is something else each time, but then its copies are made anew as well. */
  of(instruction: MachineInstruction): Value {
    return this.#number(instruction);
  }

  ofConstant(value: bigint): Value {
    return this.#number(value);
  }

  ofEntry(register: Register): Value {
    return this.#number(`r${register}`);
  }

  #number(key: unknown): Value {
    let number = this.#known.get(key);
    if (number === undefined) {
      number = this.#known.size;
      this.#known.set(key, number);
    }
    return number;
  }
}
