/**
 * Restores SSA form after a block got a twin on some paths: a value that was computed in one block is now computed in several, and
 * those who used it must use whichever was computed on the way. The same method as `builder.ts`, on a finished function.
 */
import { addIncoming, phisOf } from "./edges.ts";
import type { Block, Function, Instruction, Value } from "./ir.ts";

/**
 * Makes every use of `value` outside of the blocks in `definitions` use the definition that reaches it; phis are made where several
 * do. `definitions` holds what `value` is at the end of each block that computes it.
 */
export function rejoin(fn: Function, value: Value, definitions: ReadonlyMap<Block, Value>): void {
  if (value.op === "const") return repeat(fn, value, definitions);
  const atEnd = new Map<Block, Value>(definitions);
  const atStart = new Map<Block, Value>();

  const readAtEnd = (block: Block): Value => {
    const known = atEnd.get(block);
    if (known !== undefined) return known;
    const result = readAtStart(block);
    atEnd.set(block, result);
    return result;
  };
  const readAtStart = (block: Block): Value => {
    const known = atStart.get(block);
    if (known !== undefined) return known;
    const [predecessor, another] = block.predecessors;
    if (predecessor === undefined) throw new Error(`v${value.id} is used where it is not computed on every path`);
    if (another === undefined) {
      const result = readAtEnd(predecessor);
      atStart.set(block, result);
      return result;
    }
    const phi: Instruction = { op: "phi", id: fn.nextId++, type: value.type, args: [], span: value.span };
    atStart.set(block, phi); // breaks cycles
    block.instructions.unshift(phi);
    phi.args = block.predecessors.map(readAtEnd);
    return phi;
  };

  for (const block of [...fn.blocks]) {
    const defines = definitions.has(block);
    for (const instruction of [...block.instructions]) {
      for (const [index, argument] of instruction.args.entries()) {
        if (argument !== value) continue;
        if (instruction.op === "phi") instruction.args[index] = readAtEnd(block.predecessors[index] as Block);
        else if (!defines) instruction.args[index] = readAtStart(block);
      }
    }
    if (defines) continue;
    for (const [index, argument] of block.terminator.args.entries()) {
      if (argument === value) block.terminator.args[index] = readAtStart(block);
    }
  }
}

/**
 * A constant is made anew wherever it is used: a phi of constants would hide from everyone, the verifier included, that a pointer is
 * compared with null.
 */
function repeat(fn: Function, value: Value, definitions: ReadonlyMap<Block, Value>): void {
  const made = new Map<Block, Value>(definitions);
  const within = (block: Block): Value => {
    const known = made.get(block);
    if (known !== undefined) return known;
    const copy: Instruction = { ...value, id: fn.nextId++, args: [] };
    block.instructions.splice(phisOf(block).length, 0, copy);
    made.set(block, copy);
    return copy;
  };
  for (const block of [...fn.blocks]) {
    for (const user of [...block.instructions, block.terminator]) {
      for (const [index, argument] of user.args.entries()) {
        if (argument !== value) continue;
        if (user.op === "phi") user.args[index] = within(block.predecessors[index] as Block);
        else if (!definitions.has(block)) user.args[index] = within(block);
      }
    }
  }
}

/** Puts a new block, empty but for `instructions`, on the edge number `which` of `from`'s end to `target`; `valueOf` gives target's phis their values. */
export function newBlockOnEdge(
  fn: Function,
  from: Block,
  which: number,
  target: Block,
  instructions: Instruction[],
  valueOf: (phi: Instruction) => Value,
): Block {
  const span = from.terminator.span;
  const block: Block = {
    id: fn.nextId++,
    predecessors: [from],
    instructions,
    terminator: { op: "jump", args: [], targets: [target], span },
  };
  from.terminator.targets[which] = block;
  addIncoming(target, block, valueOf);
  fn.blocks.splice(fn.blocks.indexOf(from) + 1, 0, block);
  return block;
}

/** The values that `block` computes and others use. */
export function valuesLeaving(fn: Function, block: Block): Instruction[] {
  const own = new Set<Value>(block.instructions);
  if (own.size === 0) return [];
  const leaving = new Set<Value>();
  for (const other of fn.blocks) {
    if (other === block) continue;
    for (const user of [...other.instructions, other.terminator]) {
      for (const value of user.args) if (own.has(value)) leaving.add(value);
    }
  }
  // Its own phis, when it is a loop: they read what it computed the turn before.
  for (const phi of phisOf(block)) for (const value of phi.args) if (own.has(value)) leaving.add(value);
  return block.instructions.filter((instruction) => leaving.has(instruction));
}
