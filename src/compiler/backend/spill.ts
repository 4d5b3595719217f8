/**
 * Spilling: what found no register lives in 8 bytes of stack, written after every definition and read back before use. Within a
 * block one reload serves until the next call; such a reload is cheap to give up again, so pressure inside the block stays bounded.
 * What is a constant or an address is made again instead, and what lies in the frame of the loop that a function is a round of is read from there.
 *
 * Every spill has a slot of its own here; `overlay.ts` lets those share that may. Whole registers are stored, aligned: the verifier then keeps what it knows about a spilled pointer or number.
 */
import {
  FIRST_VIRTUAL,
  FRAME_POINTER,
  forEachRead,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  type MachineTerminator,
  newRegister,
  type Register,
  readsTarget,
  renameReads,
  renameWrite,
  type Slot,
  written,
} from "./machine.ts";
import { sweep } from "./sweep.ts";

/** Older kernels forget a comparison's outcome for the copy on the stack, so compared values are spilled last. */
const COMPARED = 4;
const REMADE = 0.5;
/** A callback's second argument. */
const FRAME_ARGUMENT = 2;

export class Spiller {
  readonly #fn: MachineFunction;
  /** Temporaries around one instruction; spilling them again would not help. */
  readonly #unspillable = new Set<Register>();
  /** How to make a register's value again. */
  #recipes = new Map<Register, MachineInstruction>();
  readonly #reloads = new Map<Register, MachineInstruction>();

  constructor(fn: MachineFunction, lasting: ReadonlySet<number> = new Set()) {
    this.#fn = fn;
    for (const [register, load] of lastingLoads(fn, lasting)) this.#reloads.set(register, load);
  }

  /** What spilling each register costs: accesses, weighted by the loops around them. */
  costs(): Float64Array {
    const costs = new Float64Array(this.#fn.nextRegister);
    const definitions = new Map<Register, MachineInstruction[]>();
    const add = (register: Register, weight: number): void => {
      costs[register] = (costs[register] ?? 0) + weight;
    };
    for (const block of this.#fn.blocks) {
      const weight = 10 ** block.depth;
      for (const instruction of block.instructions) {
        forEachRead(instruction, (register) => add(register, weight));
        const register = written(instruction);
        if (register < FIRST_VIRTUAL) continue;
        add(register, weight);
        const list = definitions.get(register);
        if (list === undefined) definitions.set(register, [instruction]);
        else list.push(instruction);
      }
      forEachRead(block.terminator, (register) => add(register, weight * COMPARED));
    }
    this.#recipes = new Map(this.#reloads);
    for (const [register, [definition, another]] of definitions) {
      if (definition === undefined || another !== undefined) continue;
      if (definition.op === "const" || definition.op === "address" || definition.op === "frame") {
        this.#recipes.set(register, definition);
      }
    }
    for (const register of this.#recipes.keys()) costs[register] = (costs[register] ?? 0) * REMADE;
    for (const register of this.#unspillable) costs[register] = Number.POSITIVE_INFINITY;
    return costs;
  }

  /** Rewrites the function so that the registers of these groups are in memory. */
  spill(groups: readonly Register[], representative: (register: Register) => Register): void {
    const members = new Map<Register, Register[]>(groups.map((group) => [group, []]));
    for (let register = FIRST_VIRTUAL; register < this.#fn.nextRegister; register++) {
      members.get(representative(register))?.push(register);
    }
    const recipes = new Map<Register, MachineInstruction>();
    const slots = new Map<Register, Slot>();
    for (const group of groups) {
      const registers = members.get(group) ?? [];
      const reloaded = registers.filter((register) => this.#reloads.has(register));
      // Reloads that were kept for later uses are given up first; what they were coalesced with has another chance.
      const remade =
        reloaded.length > 0 || registers.length > 1 ? reloaded : registers.filter((each) => this.#recipes.has(each));
      for (const register of remade) recipes.set(register, this.#recipes.get(register) as MachineInstruction);
      if (remade.length > 0) continue;
      const slot: Slot = { size: 8, align: 8, offset: 0, escapes: false, spill: true };
      this.#fn.slots.push(slot);
      slots.set(group, slot);
    }
    const rename = (register: Register): Register => {
      const group = register < FIRST_VIRTUAL ? register : representative(register);
      return slots.has(group) ? group : register;
    };
    for (const [register, recipe] of recipes) {
      const renamed = { ...recipe };
      renameReads(renamed, rename);
      recipes.set(register, renamed);
    }
    for (const block of this.#fn.blocks) {
      for (const instruction of block.instructions) {
        renameReads(instruction, rename);
        renameWrite(instruction, rename);
      }
      renameReads(block.terminator, rename);
      block.instructions = block.instructions.filter(
        (instruction) => instruction.op !== "mov" || instruction.dst !== instruction.src,
      );
      this.#rewrite(block, slots, recipes);
    }
    // What was to be read at an address that is in memory itself now is not short to read any more.
    for (const [register, reload] of this.#reloads) {
      if (reload.op === "load" && slots.has(rename(reload.base))) this.#reloads.delete(register);
    }
    sweep(this.#fn);
  }

  #rewrite(block: MachineBlock, slots: ReadonlyMap<Register, Slot>, recipes: ReadonlyMap<Register, MachineInstruction>): void {
    const output: MachineInstruction[] = [];
    /** Registers that hold a spilled value until the next call. */
    const current = new Map<Register, Register>();
    /** A definition that is changed in place by the next instruction: stored once, at the end. */
    let open = null as { group: Register; register: Register } | null; // as: changed while closures look at it

    const read = (instruction: MachineInstruction | MachineTerminator): void => {
      const once = new Map<Register, Register>();
      renameReads(instruction, (register) => {
        const recipe = recipes.get(register);
        const slot = slots.get(register);
        if (recipe !== undefined) {
          let temporary = once.get(register);
          if (temporary === undefined) {
            temporary = this.#temporary();
            once.set(register, temporary);
            const made = { ...recipe, dst: temporary, span: instruction.span } as MachineInstruction;
            // Its address may be spilled itself.
            read(made);
            output.push(made);
          }
          return temporary;
        }
        if (slot === undefined) return register;
        let holder = open?.group === register ? open.register : current.get(register);
        if (holder === undefined) {
          holder = newRegister(this.#fn);
          const reload = reloadOf(slot, holder, instruction);
          this.#reloads.set(holder, reload);
          current.set(register, holder);
          output.push({ ...reload });
        }
        return holder;
      });
    };

    for (const [index, instruction] of block.instructions.entries()) {
      const target = written(instruction);
      if (recipes.has(target)) continue; // made at each use
      read(instruction);
      const slot = slots.get(target);
      if (slot !== undefined) {
        const register = open?.group === target ? open.register : this.#temporary();
        if (readsTarget(instruction) && open?.group !== target) {
          const holder = current.get(target);
          if (holder !== undefined) output.push({ op: "mov", dst: register, src: holder, span: instruction.span });
          else output.push(reloadOf(slot, register, instruction));
        }
        renameWrite(instruction, () => register);
        output.push(instruction);
        const next = block.instructions[index + 1];
        if (next !== undefined && readsTarget(next) && next.dst === target) open = { group: target, register };
        else {
          open = null;
          const { span } = instruction;
          output.push({
            op: "store",
            src: register,
            imm: 0,
            base: FRAME_POINTER,
            slot,
            offset: 0,
            size: 8,
            region: "stack",
            span,
          });
          const holder = newRegister(this.#fn);
          this.#reloads.set(holder, reloadOf(slot, holder, instruction));
          current.set(target, holder);
          output.push({ op: "mov", dst: holder, src: register, span });
        }
        continue;
      }
      output.push(instruction);
      if (instruction.op === "call") current.clear();
    }
    read(block.terminator);
    block.instructions = output;
  }

  #temporary(): Register {
    const register = newRegister(this.#fn);
    this.#unspillable.add(register);
    return register;
  }
}

/** Registers that hold what can be read again at any time, as from a slot of their own. */
function lastingLoads(fn: MachineFunction, lasting: ReadonlySet<number>): Map<Register, MachineInstruction> {
  const loads = new Map<Register, MachineInstruction>();
  const all = fn.blocks.flatMap(({ instructions }) => instructions);
  const frame = all.find((each) => each.op === "mov" && each.src === FRAME_ARGUMENT);
  if (lasting.size === 0 || frame?.op !== "mov") return loads;
  const definitions = new Map<Register, number>();
  for (const each of all) definitions.set(written(each), (definitions.get(written(each)) ?? 0) + 1);
  if (definitions.get(frame.dst) !== 1) return loads;
  for (const each of all) {
    if (each.op !== "load" || each.base !== frame.dst || each.slot !== null || definitions.get(each.dst) !== 1) continue;
    if (each.size === 8 && lasting.has(each.offset)) loads.set(each.dst, { ...each });
  }
  return loads;
}

function reloadOf(slot: Slot, dst: Register, { span }: { span: MachineInstruction["span"] }): MachineInstruction {
  return { op: "load", dst, base: FRAME_POINTER, slot, offset: 0, size: 8, region: "stack", span };
}
