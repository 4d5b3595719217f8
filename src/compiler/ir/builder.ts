/**
 * Builds IR while reading a program top to bottom, with SSA on the fly: mutable variables are written and read by name, phis
 * appear where paths meet. Source: Braun et al., "Simple and Efficient Construction of Static Single Assignment Form" (2013).
 */
import type { AccessSize, BinaryOp, Block, CompareOp, Function, Instruction, Region, Span, Value, ValueType } from "./ir.ts";

/** A mutable variable of the source; its identity is the object. */
export interface Variable {
  name: string;
  type: ValueType;
}

interface Dominator {
  block: Block | null;
  /** Of the dominated block in the tree of dominators. */
  depth: number;
}

// Distributes Omit over the union so that each op keeps its own attributes.
type Fresh<T> = T extends unknown ? Omit<T, "id" | "span"> : never;

export class FunctionBuilder {
  readonly function: Function;
  /** The block that instructions are appended to; `null` after a terminator, when what follows cannot be reached. */
  block: Block | null;
  /** Attached to every instruction made from here on. */
  span: Span | null = null;
  readonly #definitions = new Map<Block, Map<Variable, Value>>();
  readonly #incomplete = new Map<Block, Map<Variable, Value>>();
  readonly #sealed = new Set<Block>();
  readonly #dominators = new Map<Block, Dominator>();
  readonly #replaced = new Map<Value, Value>();

  constructor(name: string) {
    this.function = { name, blocks: [], nextId: 0 };
    this.block = this.newBlock();
    this.function.blocks.push(this.block);
    this.#sealed.add(this.block);
  }

  /** A block that is not part of the function until `enter`ed. */
  newBlock(): Block {
    const unset = { op: "unset" } as unknown as Block["terminator"]; // replaced before anyone reads it
    return { id: this.function.nextId++, predecessors: [], instructions: [], terminator: unset };
  }

  /** Goes on in `block`. When no path leads there, what follows is unreachable and is not built. `sealed`: no more jumps to it will come. */
  enter(block: Block, sealed = true): void {
    if (block.predecessors.length === 0) {
      this.block = null;
      return;
    }
    this.function.blocks.push(block);
    this.block = block;
    this.#dominators.set(block, this.#commonDominator(block.predecessors));
    if (sealed) this.seal(block);
  }

  /** The last block that every path to `block` goes through; `null` for the entry. Jumps back to a loop's head do not change it. */
  dominatorOf(block: Block): Block | null {
    return this.#dominators.get(block)?.block ?? null;
  }

  #commonDominator(blocks: readonly Block[]): Dominator {
    const depthOf = (block: Block): number => this.#dominators.get(block)?.depth ?? 0;
    let [common = null] = blocks;
    for (const block of blocks) {
      let other: Block | null = block;
      while (common !== other && common !== null && other !== null) {
        if (depthOf(common) >= depthOf(other)) common = this.dominatorOf(common);
        else other = this.dominatorOf(other);
      }
    }
    return { block: common, depth: common === null ? 0 : depthOf(common) + 1 };
  }

  /** Whether all jumps to `block` are known. */
  isSealed(block: Block): boolean {
    return this.#sealed.has(block);
  }

  /** Declares that all jumps to `block` are known. */
  seal(block: Block): void {
    for (const [variable, phi] of this.#incomplete.get(block) ?? []) this.#complete(block, variable, phi);
    this.#incomplete.delete(block);
    this.#sealed.add(block);
  }

  // -- terminators --

  jump(target: Block): void {
    if (this.block === null) return;
    this.block.terminator = { op: "jump", args: [], targets: [target], span: this.span };
    target.predecessors.push(this.block);
    this.block = null;
  }

  branch(condition: Value, then: Block, otherwise: Block): void {
    if (this.block === null) return;
    if (condition.op === "const") return this.jump(condition.value !== 0n ? then : otherwise);
    this.block.terminator = { op: "branch", args: [condition], targets: [then, otherwise], span: this.span };
    then.predecessors.push(this.block);
    otherwise.predecessors.push(this.block);
    this.block = null;
  }

  return(value: Value): void {
    if (this.block === null) return;
    this.block.terminator = { op: "return", args: [value], targets: [], span: this.span };
    this.block = null;
  }

  // -- instructions --

  /** Appends an instruction. In unreachable code the result belongs to no block. */
  emit(instruction: Fresh<Instruction>): Value {
    const value = { ...instruction, id: this.function.nextId++, span: this.span } as Instruction;
    this.block?.instructions.push(value);
    return value;
  }

  /** Appends an instruction to the end of `block`, before its terminator: for values that only its successor's phi reads. */
  emitIn(block: Block, instruction: Fresh<Instruction>): Value {
    const value = { ...instruction, id: this.function.nextId++, span: this.span } as Instruction;
    block.instructions.push(value);
    return value;
  }

  /** A value for the current block that depends on where control came from: one argument for each predecessor. */
  phi(type: ValueType, args: Value[]): Value {
    const phi: Instruction = { op: "phi", id: this.function.nextId++, type, args, span: null };
    this.block?.instructions.unshift(phi);
    return phi;
  }

  const(value: bigint | number, type: ValueType = "int"): Value {
    return this.emit({ op: "const", type, args: [], value: BigInt.asIntN(64, BigInt(value)) });
  }

  binary(op: BinaryOp, left: Value, right: Value): Value {
    return this.emit({ op, type: left.type === "ptr" && right.type !== "ptr" ? "ptr" : "int", args: [left, right] });
  }

  compare(op: CompareOp, left: Value, right: Value): Value {
    return this.emit({ op, type: "bool", args: [left, right] });
  }

  load(size: AccessSize, pointer: Value, offset: number, region: Region, type: ValueType = "int"): Value {
    return this.emit({ op: "load", type, args: [pointer], size, offset, region });
  }

  store(size: AccessSize, pointer: Value, offset: number, region: Region, value: Value): void {
    this.emit({ op: "store", type: "void", args: [pointer, value], size, offset, region });
  }

  // -- variables --

  write(variable: Variable, value: Value): void {
    if (this.block !== null) this.#define(this.block, variable, value);
  }

  /** Gives `variable` its value at the end of `block`, for a variable that nobody has read yet. */
  writeIn(block: Block, variable: Variable, value: Value): void {
    this.#define(block, variable, value);
  }

  read(variable: Variable): Value {
    if (this.block === null) return this.emit({ op: "const", type: variable.type, args: [], value: 0n });
    return this.#read(this.block, variable);
  }

  /** The built function. Phis that turned out to be copies are resolved here. */
  finish(): Function {
    const resolve = (value: Value): Value => {
      let result = value;
      for (let next = this.#replaced.get(result); next !== undefined; next = this.#replaced.get(result)) result = next;
      return result;
    };
    for (const block of this.function.blocks) {
      block.instructions = block.instructions.filter((instruction) => !this.#replaced.has(instruction));
      for (const instruction of block.instructions) instruction.args = instruction.args.map(resolve);
      if (block.terminator.op !== "jump") block.terminator.args[0] = resolve(block.terminator.args[0]);
    }
    return this.function;
  }

  #define(block: Block, variable: Variable, value: Value): void {
    entryOf(this.#definitions, block).set(variable, value);
  }

  #read(block: Block, variable: Variable): Value {
    let value = this.#definitions.get(block)?.get(variable);
    while (value !== undefined && this.#replaced.has(value)) value = this.#replaced.get(value);
    if (value !== undefined) return value;
    if (!this.#sealed.has(block)) {
      const phi = this.#phi(block, variable);
      entryOf(this.#incomplete, block).set(variable, phi);
      value = phi;
    } else if (block.predecessors.length === 1) {
      value = this.#read(block.predecessors[0] as Block, variable);
    } else if (block.predecessors.length === 0) {
      throw new Error(`variable ${variable.name} is read before it is written`);
    } else {
      const phi = this.#phi(block, variable);
      this.#define(block, variable, phi); // breaks cycles
      value = this.#complete(block, variable, phi);
    }
    this.#define(block, variable, value);
    return value;
  }

  #phi(block: Block, variable: Variable): Value {
    const phi: Instruction = { op: "phi", id: this.function.nextId++, type: variable.type, args: [], span: null };
    block.instructions.unshift(phi);
    return phi;
  }

  #complete(block: Block, variable: Variable, phi: Value): Value {
    phi.args = block.predecessors.map((predecessor) => this.#read(predecessor, variable));
    return this.#simplify(phi);
  }

  /** A phi of one value (and itself) is that value. */
  #simplify(phi: Value): Value {
    let same: Value | undefined;
    for (const argument of phi.args) {
      let value = argument;
      for (let next = this.#replaced.get(value); next !== undefined; next = this.#replaced.get(value)) value = next;
      if (value === phi || value === same) continue;
      if (same !== undefined) return phi;
      same = value;
    }
    if (same === undefined) return phi;
    this.#replaced.set(phi, same);
    return same;
  }
}

/** The map of `key`, made when it is not there. */
function entryOf<K, A, B>(maps: Map<K, Map<A, B>>, key: K): Map<A, B> {
  const known = maps.get(key);
  if (known !== undefined) return known;
  const made = new Map<A, B>();
  maps.set(key, made);
  return made;
}
