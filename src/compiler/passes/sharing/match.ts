/**
 * Compares two pieces of a function that may be copies of each other: the end of one block and all that follows it, up to where both
 * go on in the same places, or, where that is allowed, up to one place where they part. What differs between them becomes a parameter: a
 * value that each side brings along.
 */
import { type Block, type Instruction, isBinary, isCompare, type Op, type Terminator, type Value } from "../../ir/ir.ts";

/** `copy` plus nothing is `original` plus `delta`: what the copy adds to its pointer to use the original's offsets. */
export interface Parameter {
  original: Value;
  copy: Value;
  delta: number;
}

/** An argument in the original that has to become a parameter. */
export interface Place {
  user: Instruction | Terminator;
  index: number;
  parameter: Parameter;
}

export interface Match {
  /** The blocks of the original, each with its twin; the first ones are entered in the middle. */
  blocks: Map<Block, Block>;
  /** How many instructions at the end of the first blocks belong to it. */
  suffix: number;
  parameters: Parameter[];
  places: Place[];
  /** By what the copy computes, what the original does in its stead. */
  values: Map<Value, Value>;
  /** Where the two part; `null` when they do not. */
  exit: Exit | null;
  /** What is saved, in machine instructions. */
  gain: number;
}

/** Where two copies go on differently. */
export type Exit =
  /** From `block` of the original through its target number `which`. */
  | { kind: "edge"; block: Block; which: number }
  /** In `block` of the original and its twin, before instruction `at`. */
  | { kind: "inside"; block: Block; at: number };

/** More would fill all registers. */
const MOST_PARAMETERS = 4;
/** Addresses that are made where they are used; the verifier wants to see which one it is. */
const FIXED: readonly string[] = ["map", "slot", "data", "context", "function"] satisfies Op[];
const MOST_BLOCKS = 64;

/** What is the same from the last `suffix` instructions of `original` and `copy` on; `null` when that does not end in the same places. */
export function match(original: Block, copy: Block, suffix: number): Match | null {
  const attempt = new Attempt(false);
  return attempt.entry(original, copy, suffix) && attempt.finish() ? attempt.result(suffix) : null;
}

/** The same, but the two may part in one place, and all they do is to the same addresses or to ones that each side brings along. */
export function matchUntilTheyPart(original: Block, copy: Block, suffix: number): Match | null {
  const attempt = new Attempt(true);
  return attempt.entry(original, copy, suffix) && attempt.finish() ? attempt.result(suffix) : null;
}

/** How many instructions at the ends of the two blocks are alike. */
export function commonSuffix(original: Block, copy: Block): number {
  let length = 0;
  for (;;) {
    const [left, right] = [original.instructions.at(-1 - length), copy.instructions.at(-1 - length)];
    if (left === undefined || right === undefined || left.op === "phi" || !isAlike(left, right)) return length;
    length++;
  }
}

/** The same operation, whatever it works on. */
export function isAlike(left: Instruction, right: Instruction): boolean {
  return left !== right && shapeOf(left) === shapeOf(right);
}

function shapeOf(value: Instruction): string {
  const { op, type } = value;
  switch (value.op) {
    case "load":
    case "store":
    case "atomic_add":
      return `${op} ${type} ${value.size} ${value.region}`;
    case "zext":
    case "sext":
    case "bswap":
      return `${op} ${value.bits}`;
    case "call":
      return `${op} ${type} ${value.helper} ${value.callee} ${value.align} ${value.args.length}`;
    case "function":
    case "map":
      return `${op} ${value.name}`;
    case "data":
      return `${op} ${value.section} ${value.offset}`;
    case "slot":
    case "const":
    case "context":
    case "argument":
      return `${op} ${value.id}`;
    default:
      return `${op} ${type} ${value.rounds}`;
  }
}

class Attempt {
  readonly #blocks = new Map<Block, Block>();
  readonly #values = new Map<Value, Value>();
  readonly #originals = new Set<Value>();
  readonly #parameters = new Map<string, Parameter>();
  readonly #places: Place[] = [];
  readonly #waiting: (() => boolean)[] = [];
  readonly #mayPart: boolean;
  #exit: Exit | null = null;
  #gain = 0;

  constructor(mayPart: boolean) {
    this.#mayPart = mayPart;
  }

  entry(original: Block, copy: Block, suffix: number): boolean {
    this.#blocks.set(original, copy);
    const from = original.instructions.length - suffix;
    const to = copy.instructions.length - suffix;
    for (let index = 0; index < suffix; index++) {
      if (!this.#instruction(original.instructions[from + index] as Value, copy.instructions[to + index] as Value))
        return false;
    }
    return this.#terminator(original, copy);
  }

  /** Phis may take what comes later, so they are looked at in the end. */
  finish(): boolean {
    for (let check = this.#waiting.pop(); check !== undefined; check = this.#waiting.pop()) if (!check()) return false;
    const inside = new Set([...this.#blocks.keys(), ...this.#blocks.values()]);
    return inside.size === 2 * this.#blocks.size && this.#parameters.size <= MOST_PARAMETERS && this.#leavesAtExit(inside);
  }

  /** What comes after the place where they part does not lead back inside. */
  #leavesAtExit(inside: ReadonlySet<Block>): boolean {
    const exit = this.#exit;
    if (exit === null) return true;
    const twin = this.#blocks.get(exit.block) as Block; // it was matched
    return [exit.block, twin].every(({ terminator: { targets } }) =>
      (exit.kind === "edge" ? [targets[exit.which] as Block] : targets).every((target) => !inside.has(target)),
    );
  }

  result(suffix: number): Match {
    const parameters = [...this.#parameters.values()];
    const cost = parameters.reduce((sum, parameter) => sum + costOf(parameter), 1); // and a jump
    return {
      blocks: this.#blocks,
      suffix,
      parameters,
      places: this.#places,
      values: this.#values,
      exit: this.#exit,
      gain: this.#gain - cost,
    };
  }

  #block(original: Block, copy: Block): boolean {
    if (this.#blocks.size >= MOST_BLOCKS) return false;
    if (!this.#mayPart && original.instructions.length !== copy.instructions.length) return false;
    if (original.predecessors.length !== copy.predecessors.length) return false;
    this.#blocks.set(original, copy);
    this.#waiting.push(() => this.#edgesInto(original, copy));
    for (const [index, left] of original.instructions.entries()) {
      const right = copy.instructions[index];
      if (right !== undefined && this.#trial(() => this.#instruction(left, right))) continue;
      return this.#part(index > 0 && left.op !== "phi" && right?.op !== "phi", { kind: "inside", block: original, at: index });
    }
    if (original.instructions.length < copy.instructions.length)
      return this.#part(true, { kind: "inside", block: original, at: original.instructions.length });
    return this.#terminator(original, copy);
  }

  #part(isPlace: boolean, exit: Exit): boolean {
    if (!this.#mayPart || !isPlace || this.#exit !== null) return false;
    this.#exit = exit;
    return true;
  }

  /** As if it had not been tried when it fails. Only what is allowed to part may try again. */
  #trial(attempt: () => boolean): boolean {
    if (!this.#mayPart) return attempt();
    const gain = this.#gain;
    const places = this.#places.length;
    const [blocks, values, originals, parameters] = [this.#blocks, this.#values, this.#originals, this.#parameters].map(
      ({ size }) => size,
    ) as [number, number, number, number];
    const [waiting, exit] = [this.#waiting.length, this.#exit];
    if (attempt()) return true;
    this.#gain = gain;
    this.#places.length = places;
    this.#waiting.length = waiting;
    this.#exit = exit;
    for (const block of [...this.#blocks.keys()].slice(blocks)) this.#blocks.delete(block);
    for (const value of [...this.#values.keys()].slice(values)) this.#values.delete(value);
    for (const value of [...this.#originals].slice(originals)) this.#originals.delete(value);
    for (const key of [...this.#parameters.keys()].slice(parameters)) this.#parameters.delete(key);
    return false;
  }

  /** Both are only entered from inside, and their phis take the same from there. */
  #edgesInto(original: Block, copy: Block): boolean {
    if (new Set(original.predecessors).size < original.predecessors.length) return false;
    return original.predecessors.every((from, edge) => {
      const twin = this.#blocks.get(from);
      const twinEdge = twin === undefined ? -1 : copy.predecessors.indexOf(twin);
      if (twinEdge < 0) return false;
      return original.instructions.every((phi, index) => {
        if (phi.op !== "phi") return true;
        return this.#operand(phi, edge, phi.args[edge] as Value, copy.instructions[index]?.args[twinEdge] as Value);
      });
    });
  }

  #instruction(original: Value, copy: Value): boolean {
    if (!isAlike(original, copy) || (this.#mayPart && isRecord(original))) return false;
    this.#values.set(copy, original);
    this.#originals.add(original);
    this.#gain += gainOf(original);
    if (original.op === "phi") return true;
    if (isAccess(original) && isAccess(copy)) {
      const [pointer, ...others] = original.args as [Value, ...Value[]]; // an access has an address
      if (!this.#address(original, pointer, copy.args[0] as Value, copy.offset - original.offset)) return false;
      return others.every((value, index) => this.#operand(original, index + 1, value, copy.args[index + 1] as Value));
    }
    const [left, step] = original.args;
    const [right, twinStep] = copy.args;
    if (original.op === "add" && original.type === "ptr" && step?.op === "const" && twinStep?.op === "const") {
      return this.#address(original, left as Value, right as Value, Number(twinStep.value - step.value));
    }
    return original.args.every((value, index) => this.#operand(original, index, value, copy.args[index] as Value));
  }

  #address(user: Instruction, original: Value, copy: Value, delta: number): boolean {
    if (this.#values.get(copy) === original || original === copy) {
      if (delta === 0) return true;
      if (this.#values.has(copy)) return false;
    }
    if (delta !== 0 && this.#mayPart) return false;
    if (delta !== 0 && isAccess(user) && user.region !== "packet" && user.region !== "map") return false;
    return this.#parameter(user, 0, original, copy, delta);
  }

  #operand(user: Instruction | Terminator, index: number, original: Value, copy: Value): boolean {
    if (original === copy || this.#values.get(copy) === original) return !this.#originals.has(copy);
    if (original.op === "const" && copy.op === "const" && !mayVary(user)) return false;
    return this.#parameter(user, index, original, copy, 0);
  }

  #parameter(user: Instruction | Terminator, index: number, original: Value, copy: Value, delta: number): boolean {
    if (this.#values.has(copy) || this.#originals.has(original)) return false;
    if (original.type !== copy.type || original.type === "bool" || original.type === "void") return false;
    if (FIXED.includes(original.op) || FIXED.includes(copy.op)) return false;
    const key = `${original.id} ${copy.id} ${delta}`;
    const parameter = this.#parameters.get(key) ?? { original, copy, delta };
    this.#parameters.set(key, parameter);
    this.#places.push({ user, index, parameter });
    return true;
  }

  #terminator(original: Block, copy: Block): boolean {
    const [left, right] = [original.terminator, copy.terminator];
    if (left.op !== right.op) return false;
    this.#gain += left.op === "jump" ? 0 : 1;
    const targets: readonly Block[] = left.targets;
    if (new Set(targets).size < targets.length) return false;
    if (!left.args.every((value, index) => this.#operand(left, index, value, right.args[index] as Value))) return false;
    return targets.every((target, index) => this.#target(original, copy, index, target, right.targets[index] as Block));
  }

  #target(from: Block, twin: Block, which: number, original: Block, copy: Block): boolean {
    if (original !== copy) {
      // The first ones are entered in the middle, and a loop begins before that.
      const [entry] = this.#blocks.keys();
      if (original === entry) return false;
      if (this.#blocks.has(original)) return this.#blocks.get(original) === copy;
      if (this.#trial(() => this.#block(original, copy))) return true;
      return this.#part(true, { kind: "edge", block: from, which });
    }
    const [edge, twinEdge] = [original.predecessors.indexOf(from), original.predecessors.indexOf(twin)];
    this.#waiting.push(() =>
      original.instructions.every((phi) => {
        if (phi.op !== "phi") return true;
        return this.#operand(phi, edge, phi.args[edge] as Value, phi.args[twinEdge] as Value);
      }),
    );
    return true;
  }
}

function isAccess(value: Value | Terminator): value is Extract<Instruction, { op: "load" | "store" | "atomic_add" }> {
  return value.op === "load" || value.op === "store" || value.op === "atomic_add";
}

/** The verifier forgets a record's address when it is handed in: paths on which that happened and others do not mix. */
function isRecord(value: Value): boolean {
  return isAccess(value) && value.region === "record";
}

/** May a constant operand become one that is only known on each path? Where an instruction needs an immediate it may not. */
function mayVary({ op }: Instruction | Terminator): boolean {
  if (op === "phi" || op === "store" || op === "eq" || op === "ne" || op === "return") return true;
  return op === "add" || op === "sub" || op === "and" || op === "or" || op === "xor";
}

/** Machine instructions that one of these takes. */
function gainOf(value: Value): number {
  if (isCompare(value.op) || value.op === "phi" || value.op === "const" || value.op === "slot") return 0;
  if (value.op === "map" || value.op === "data") return 2;
  if (value.op === "call") return 1 + value.args.length;
  return isBinary(value.op) && value.type === "ptr" ? 2 : 1;
}

function costOf({ original, copy, delta }: Parameter): number {
  if (original.op === "const" && copy.op === "const") return 2;
  return delta === 0 ? 1 : 2;
}
