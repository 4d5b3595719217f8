/** Who uses a value, and how to put another in its place. */
import type { Function, Instruction, Terminator, Value } from "./ir.ts";

export type User = Instruction | Terminator;

/** The users of every used value, one entry per argument. A snapshot. */
export function usersOf(fn: Function): Map<Value, User[]> {
  const users = new Map<Value, User[]>();
  for (const block of fn.blocks) {
    for (const user of [...block.instructions, block.terminator]) {
      for (const value of user.args) {
        const known = users.get(value);
        if (known === undefined) users.set(value, [user]);
        else known.push(user);
      }
    }
  }
  return users;
}

/** Puts `by` in the place of `value` among what `user` is made of. */
export function replaceIn(user: User, value: Value, by: Value): void {
  for (const [index, argument] of user.args.entries()) if (argument === value) user.args[index] = by;
}

/** The same for all users in `fn`. */
export function replaceUses(fn: Function, value: Value, by: Value): void {
  for (const block of fn.blocks) for (const user of [...block.instructions, block.terminator]) replaceIn(user, value, by);
}

/** Values that others shall stand for, gathered during a walk and put in place by `apply` at its end. */
export class Replacements {
  readonly #map = new Map<Value, Value>();

  /** From now on `by` stands for `value`. */
  set(value: Value, by: Value): void {
    this.#map.set(value, by);
  }

  /** What stands for `value` in the end: itself when nothing does. */
  resolve(value: Value): Value {
    let result = value;
    for (let next = this.#map.get(result); next !== undefined; next = this.#map.get(result)) result = next;
    return result;
  }

  has(value: Value): boolean {
    return this.#map.has(value);
  }

  /** Rewrites every argument in `fn` and removes the replaced instructions. True when there were any. */
  apply(fn: Function): boolean {
    if (this.#map.size === 0) return false;
    for (const block of fn.blocks) {
      block.instructions = block.instructions.filter((instruction) => !this.#map.has(instruction));
      for (const user of [...block.instructions, block.terminator]) this.rewrite(user);
    }
    return true;
  }

  /** Rewrites the arguments of one user. */
  rewrite(user: User): void {
    for (const [index, value] of user.args.entries()) user.args[index] = this.resolve(value);
  }
}
