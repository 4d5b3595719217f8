/**
 * Goes on from the pointer that was just compared with the packet's end, instead of from the one before it:
 *
 *     q = p + 14; if (q > end) …; load [p + 12]; r = p + 34; if (r > end) …; load [p + 23]
 *     becomes
 *     q = p + 14; if (q > end) …; load [q - 2];  r = q + 20; if (r > end) …; load [r - 11]
 *
 * Where nothing needs `p` any more, `q` takes over its register, and an addition in place needs no copy. To the verifier it is all the
 * same: it knows every constant distance from the packet's start. Only behind a check that passed, though: where it failed, the
 * verifier takes the compared pointer for unusable. So the pointer must not be compared again, where a second failure would seem possible.
 */
import { Dominators } from "../ir/dominators.ts";
import { phisOf } from "../ir/edges.ts";
import { type Block, type Function, type Instruction, isCompare, type Value } from "../ir/ir.ts";
import { loopBlocks } from "../ir/loops.ts";
import { blocksBehind } from "../ir/order.ts";
import { type User, usersOf } from "../ir/uses.ts";

/** True when any address was changed. */
export function advancePointers(fn: Function): boolean {
  return new Advance(fn).run();
}

/** A pointer that is another one plus a constant, and the block in which it is known to lie inside the packet. */
interface Step {
  pointer: Instruction;
  base: Value;
  distance: number;
  inside: Block;
}

interface Use {
  user: User;
  /** Of the user's arguments. */
  index: number;
  /** Where the value is read: for a phi, the end of the block that the edge leaves. */
  block: Block;
}

class Advance {
  readonly #function: Function;
  readonly #dominators: Dominators;
  readonly #loops: Set<Block>;
  readonly #homes = new Map<User, Block>();
  readonly #uses = new Map<Value, Use[]>();
  readonly #users: ReadonlyMap<Value, readonly User[]>;
  #changed = false;

  constructor(fn: Function) {
    this.#function = fn;
    this.#dominators = new Dominators(fn);
    this.#loops = loopBlocks(this.#dominators);
    for (const block of fn.blocks) {
      for (const user of [...block.instructions, block.terminator]) this.#homes.set(user, block);
    }
    this.#users = usersOf(fn);
    for (const [value] of this.#users) if (value.type === "ptr") this.#uses.set(value, []);
    for (const [user] of this.#homes) this.#register(user);
  }

  run(): boolean {
    for (const block of this.#dominators.order) {
      for (const phi of phisOf(block)) if (phi.type === "ptr") this.#moveToChecked(block, phi);
      const step = this.#stepAtEnd(block);
      if (step !== null) this.#advance(block, step);
    }
    return this.#changed;
  }

  #register(user: User): void {
    const home = this.#homes.get(user) as Block; // every user has one
    for (const [index, value] of user.args.entries()) {
      const block = user.op === "phi" ? (home.predecessors[index] as Block) : home;
      this.#uses.get(value)?.push({ user, index, block });
    }
  }

  /** The check that ends `block`, when what passes it goes on in a block of its own. */
  #stepAtEnd(block: Block): Step | null {
    const { terminator } = block;
    if (terminator.op !== "branch" || this.#loops.has(block)) return null;
    const [condition] = terminator.args;
    const [pointer, end] = condition.args;
    if ((condition.op !== "ugt" && condition.op !== "ule") || pointer?.op !== "add" || end?.type !== "ptr") return null;
    const [base, distance] = pointer.args as [Value, Value]; // a sum has two
    if (base.type !== "ptr" || distance.op !== "const" || !isMovable(base) || this.#homes.get(pointer) !== block) return null;
    const comparisons = (this.#users.get(pointer) ?? []).filter((user) => isCompare(user.op as Value["op"]));
    if (comparisons.length !== 1 || this.#users.get(condition)?.length !== 1) return null;
    const inside = terminator.targets[condition.op === "ule" ? 0 : 1];
    if (inside.predecessors.length !== 1) return null;
    return { pointer, base, distance: Number(distance.value), inside };
  }

  #advance(block: Block, { pointer, base, distance, inside }: Step): void {
    const behind: Use[] = [];
    let isOver = true;
    const later = blocksBehind(block);
    for (const use of this.#uses.get(base) ?? []) {
      if (use.user === pointer) continue;
      if (this.#dominators.dominates(inside, use.block)) behind.push(use);
      else if (use.block === block ? this.#isAfter(use, pointer) : later.has(use.block)) isOver = false;
    }
    if (behind.length === 0) return;
    if (isOver && behind.every((use) => canTakeOver(use, distance))) {
      for (const use of behind) this.#takeOver(use, pointer, distance);
    } else {
      // The base lives on; but a pointer farther on can start from this one, which is not needed any more by then.
      for (const use of behind) if (isStep(use) && !this.#isPastCall(inside, use)) this.#takeOver(use, pointer, distance);
    }
  }

  #isAfter({ user, block }: Use, pointer: Instruction): boolean {
    if (user.op === "phi" || user === block.terminator) return true;
    return block.instructions.indexOf(user as Instruction) > block.instructions.indexOf(pointer);
  }

  /** Does a call stand between? Few registers survive one. */
  #isPastCall(from: Block, { user, block }: Use): boolean {
    const hasCall = (instructions: readonly Instruction[]): boolean => instructions.some(({ op }) => op === "call");
    if (hasCall(block.instructions.slice(0, block.instructions.indexOf(user as Instruction)))) return true;
    const seen = new Set<Block>([block]);
    const waiting = block === from ? [] : [...block.predecessors];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      if (hasCall(at.instructions)) return true;
      if (at !== from) waiting.push(...at.predecessors);
    }
    return false;
  }

  /** Lets `user` reach what it reaches from `base` from `pointer`, which is `base` plus `distance`. */
  #takeOver({ user, index, block }: Use, pointer: Value, distance: number): void {
    const instruction = user as Instruction; // terminators use no pointers that can move
    this.#changed = true;
    const base = instruction.args[index] as Value;
    this.#uses.set(
      base,
      (this.#uses.get(base) ?? []).filter((use) => use.user !== user || use.index !== index),
    );
    instruction.args[index] = pointer;
    this.#uses.set(pointer, [...(this.#uses.get(pointer) ?? []), { user, index, block }]);
    if (isAccess(instruction)) {
      instruction.offset -= distance;
      return;
    }
    const [, step] = instruction.args as [Value, Value]; // a sum has two
    if (step.op === "const") instruction.args[1] = this.#constant(step.value - BigInt(distance), block, instruction);
    else this.#correct(instruction, block, distance);
  }

  /** `sum` is too far by `distance` now: who used it, uses it less that. */
  #correct(sum: Instruction, block: Block, distance: number): void {
    const users = this.#uses.get(sum) ?? [];
    for (const use of users) {
      if (canTakeOver(use, -distance) && isShift(use.user)) this.#shift(use.user as Instruction, use.block, distance);
    }
    const rest = users.filter((use) => !isShift(use.user));
    if (rest.length === 0) return;
    const step = this.#constant(BigInt(-distance), block, sum, 1);
    const corrected: Instruction = { op: "add", id: this.#function.nextId++, type: "ptr", args: [sum, step], span: sum.span };
    block.instructions.splice(block.instructions.indexOf(step) + 1, 0, corrected);
    this.#homes.set(corrected, block);
    for (const { user, index } of rest) user.args[index] = corrected;
    this.#uses.set(corrected, rest);
    this.#uses.set(sum, [...users.filter((use) => isShift(use.user)), { user: corrected, index: 0, block }]);
  }

  #shift(user: Instruction, block: Block, distance: number): void {
    if (isAccess(user)) user.offset -= distance;
    else user.args[1] = this.#constant((user.args[1] as Value & { op: "const" }).value - BigInt(distance), block, user);
  }

  #constant(value: bigint, block: Block, near: Instruction, after = 0): Value {
    const constant: Value = { op: "const", id: this.#function.nextId++, type: "int", args: [], value, span: null };
    block.instructions.splice(block.instructions.indexOf(near) + after, 0, constant);
    this.#homes.set(constant, block);
    return constant;
  }

  /** A phi of pointers that were each checked up to the same distance is one of the checked pointers. */
  #moveToChecked(block: Block, phi: Instruction): void {
    if (this.#dominators.isLoopHeader(block)) return;
    const uses = this.#uses.get(phi) ?? [];
    if (uses.length === 0 || !uses.every(({ user }) => isShift(user))) return;
    const [first, ...others] = block.predecessors.map((from, edge) => this.#checkedBefore(from, phi.args[edge] as Value));
    for (const [distance, pointer] of first ?? []) {
      if (distance === 0 || !others.every((checked) => checked.has(distance))) continue;
      if (!uses.every((use) => canTakeOver(use, distance))) continue;
      const args = [pointer, ...others.map((checked) => checked.get(distance) as Instruction)];
      for (const [edge, from] of block.predecessors.entries()) {
        const [old, next] = [phi.args[edge] as Value, args[edge] as Value];
        this.#uses.set(
          old,
          (this.#uses.get(old) ?? []).filter((use) => use.user !== phi || use.index !== edge),
        );
        this.#uses.set(next, [...(this.#uses.get(next) ?? []), { user: phi, index: edge, block: from }]);
      }
      phi.args = args;
      for (const use of uses) this.#shift(use.user as Instruction, use.block, distance);
      this.#changed = true;
      return;
    }
  }

  /** The checked pointers that lie a constant distance from `pointer`, on the way to the end of `from`; the closest check first. */
  #checkedBefore(from: Block, pointer: Value): Map<number, Instruction> {
    const found = new Map<number, Instruction>();
    const origin = placeOf(pointer);
    for (let at: Block | null = from; at !== null; at = this.#dominators.parent(at)) {
      const [before, another] = at.predecessors;
      if (before === undefined || another !== undefined) continue;
      const step = this.#stepAtEnd(before);
      if (step === null || step.inside !== at) continue;
      const place = placeOf(step.pointer);
      const distance = place.offset - origin.offset;
      if (place.base === origin.base && !found.has(distance)) found.set(distance, step.pointer);
    }
    return found;
  }
}

/** Can the base of this use be moved for free? */
function canTakeOver({ user, index }: Use, distance: number): boolean {
  if (isAccess(user)) return index === 0 && fits(user.offset - distance);
  return user.op === "add" && user.type === "ptr" && index === 0;
}

function isStep({ user, index }: Use): boolean {
  return user.op === "add" && user.type === "ptr" && index === 0 && user.args[1]?.op === "const";
}

/** Has the user a constant of its own into which a distance can go? */
function isShift(user: User): boolean {
  return isAccess(user) || (user.op === "add" && user.type === "ptr" && user.args[1]?.op === "const");
}

function isAccess(user: User): user is Extract<Instruction, { op: "load" | "store" | "atomic_add" }> {
  return user.op === "load" || user.op === "store" || user.op === "atomic_add";
}

/** The offset of an access is a signed 16-bit number. */
function fits(offset: number): boolean {
  return offset >= -0x8000 && offset <= 0x7fff;
}

/** Pointers that are made anew wherever they are used have no register to take over. */
function isMovable({ op }: Value): boolean {
  return op !== "slot" && op !== "map" && op !== "data" && op !== "context";
}

function placeOf(pointer: Value): { base: Value; offset: number } {
  let [base, offset] = [pointer, 0];
  for (;;) {
    const [inner, step] = base.args;
    if (base.op !== "add" || inner?.type !== "ptr" || step?.op !== "const") return { base, offset };
    offset += Number(step.value);
    base = inner;
  }
}
