/**
 * Makes instructions simpler one by one: constants are computed, operations that change nothing go, dear ones become cheap ones.
 * The rules are in `rules/`, by what they look at.
 */

import type { BinaryOp, CompareOp, Function, Instruction, Value } from "../ir/ir.ts";
import { isBinary, isCompare } from "../ir/ir.ts";
import { possibleBits } from "../ir/known-bits.ts";
import { reversePostorder } from "../ir/order.ts";
import { Replacements, usersOf } from "../ir/uses.ts";
import { Bounding } from "./bounding.ts";
import { canonicalBinary, foldBinary, identity, maskOfXor, reassociate, reduceStrength } from "./rules/arithmetic.ts";
import { extend, mask, shift, swap } from "./rules/bits.ts";
import { carry } from "./rules/checksum.ts";
import { foldBool, foldByRange, foldCompare, foldLimit, lengthToEnd, moveToConstant } from "./rules/compare.ts";
import { foldOffset, storeLowBits } from "./rules/memory.ts";
import type { Maker, Rule } from "./rules/rule.ts";

const BINARY_RULES = [foldBinary, canonicalBinary, identity, reduceStrength, reassociate, maskOfXor, mask, carry, shift];
const COMPARE_RULES = [foldCompare, foldLimit, lengthToEnd, foldByRange, foldBool, moveToConstant];

/** A rule's result may be simplified again; a chain this long would be rules that undo each other. */
const MOST_STEPS = 32;

/** One walk over `fn`. True when anything changed. */
export function simplify(fn: Function): boolean {
  return new Simplifier(fn).run();
}

class Simplifier implements Maker {
  readonly bounding: Bounding;
  readonly #function: Function;
  readonly #useCounts = new Map<Value, number>();
  readonly #replacements = new Replacements();
  #output: Instruction[] = [];
  #span: Instruction["span"] = null;
  #changed = false;

  constructor(fn: Function) {
    this.#function = fn;
    this.bounding = new Bounding(fn);
    for (const [value, users] of usersOf(fn)) this.#useCounts.set(value, users.length);
  }

  run(): boolean {
    for (const block of reversePostorder(this.#function)) {
      const { instructions } = block;
      this.#output = [];
      for (const instruction of instructions) {
        this.#span = instruction.span;
        if (instruction.op !== "phi") this.#replacements.rewrite(instruction);
        const result = this.#reduce(instruction);
        if (result === instruction) {
          this.#output.push(instruction);
        } else {
          this.#replacements.set(instruction, result);
          this.#countUses(result, this.#useCounts.get(instruction) ?? 1);
        }
      }
      block.instructions = this.#output;
      this.#straighten(block.terminator);
    }
    return this.#replacements.apply(this.#function) || this.#changed;
  }

  // -- Maker --

  constant(value: bigint): Value {
    return this.#emit({ op: "const", type: "int", args: [], value: BigInt.asIntN(64, value), ...this.#origin() });
  }

  bool(value: boolean): Value {
    return this.#emit({ op: "const", type: "bool", args: [], value: value ? 1n : 0n, ...this.#origin() });
  }

  binary(op: BinaryOp, left: Value, right: Value): Value {
    return this.#emit({ op, type: "int", args: [left, right], ...this.#origin() });
  }

  address(pointer: Value, offset: Value): Value {
    return this.#emit({ op: "add", type: "ptr", args: [pointer, offset], ...this.#origin() });
  }

  compare(op: CompareOp, left: Value, right: Value): Value {
    return this.#emit({ op, type: "bool", args: [left, right], ...this.#origin() });
  }

  low(value: Value, bits: number): Value {
    if (bits === 32) return this.#emit({ op: "zext", type: "int", args: [value], bits, ...this.#origin() });
    return this.binary("and", value, this.constant((1n << BigInt(bits)) - 1n));
  }

  isUsedOnce(value: Value): boolean {
    return this.#useCounts.get(value) === 1;
  }

  noteUse(value: Value): void {
    this.#countUses(value, 1);
  }

  bits(value: Value, user: Value): bigint {
    return possibleBits(value, this.bounding.needs(user) ? "verifier" : "true");
  }

  #origin(): { id: number; span: Instruction["span"] } {
    return { id: this.#function.nextId++, span: this.#span };
  }

  #emit(instruction: Instruction): Value {
    for (const value of instruction.args) this.noteUse(value);
    const result = this.#reduce(instruction);
    if (result === instruction) this.#output.push(instruction);
    return result;
  }

  /** The simplest value that stands for `instruction`. */
  #reduce(instruction: Instruction): Value {
    for (let steps = 0; steps < MOST_STEPS; steps++) {
      const before = this.#output.length;
      const result = applyRules(instruction, this);
      if (result === null) {
        this.#output.length = before; // what rules made before they gave up
        return instruction;
      }
      this.#changed = true;
      if (result !== instruction) return result;
      for (const value of instruction.args) this.noteUse(value);
    }
    return instruction;
  }

  /** Counts too much rather than too little: a value that seems to be used more often is only left alone. */
  #countUses(value: Value, more: number): void {
    this.#useCounts.set(value, (this.#useCounts.get(value) ?? 0) + more);
  }

  /** A branch on "not b" is a branch on b the other way round. */
  #straighten(terminator: Function["blocks"][number]["terminator"]): void {
    this.#replacements.rewrite(terminator);
    if (terminator.op !== "branch" || terminator.targets[0] === terminator.targets[1]) return;
    const [condition] = terminator.args;
    const [left, right] = condition.args;
    if (condition.op !== "eq" || left?.type !== "bool" || right?.op !== "const" || right.value !== 0n) return;
    terminator.args = [left];
    terminator.targets = [terminator.targets[1], terminator.targets[0]];
    this.#changed = true;
  }
}

function applyRules(instruction: Instruction, make: Maker): Value | null {
  const { op } = instruction;
  if (isBinary(op)) return first(BINARY_RULES as Rule[], instruction, make); // `op` is one that they take
  if (isCompare(op)) return first(COMPARE_RULES as Rule[], instruction, make);
  switch (instruction.op) {
    case "zext":
    case "sext":
      return extend(instruction, make);
    case "bswap":
      return swap(instruction, make);
    case "load":
    case "atomic_add":
      return foldOffset(instruction, make);
    case "store":
      return foldOffset(instruction, make) ?? storeLowBits(instruction, make);
    default:
      return null;
  }
}

function first(rules: readonly Rule[], instruction: Instruction, make: Maker): Value | null {
  for (const rule of rules) {
    const result = rule(instruction, make);
    if (result !== null) return result;
  }
  return null;
}
