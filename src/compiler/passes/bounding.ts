/**
 * Which numbers the verifier must be able to bound, and which ones it learns about at branches.
 *
 * The verifier ties what a comparison tells it to one value, not to an expression. `y = x & 0xff; if (y > 9) return; p + y` is
 * accepted; the same with `p + (x & 0xff)` computed anew, or with the comparison rewritten to one of `x`, is not, although it is
 * equal. So passes ask here before they look through a value, compute it from something else, or reuse an older copy. Of values
 * made after the analysis the worst is assumed.
 */
import { Dominators } from "../ir/dominators.ts";
import type { Function, Instruction, Value } from "../ir/ir.ts";
import { isBinary, isCompare } from "../ir/ir.ts";
import { loopBlocks } from "../ir/loops.ts";

export class Bounding {
  readonly #seen = new Set<Value>();
  readonly #needed = new Set<Value>();
  readonly #compared = new Set<Value>();

  constructor(fn: Function) {
    const dominators = new Dominators(fn);
    const inLoop = loopBlocks(dominators);
    for (const block of fn.blocks) {
      for (const instruction of block.instructions) {
        this.#seen.add(instruction);
        if (isCompare(instruction.op)) {
          for (const value of instruction.args) this.#compared.add(value);
          // The verifier walks a loop until its condition says stop, so it must know the numbers that the condition is made of.
          if (inLoop.has(block) && !isFixedTest(instruction)) this.#need(instruction.args);
        } else if (instruction.op === "call" || (isBinary(instruction.op) && instruction.type === "ptr")) {
          this.#need(instruction.args);
        } else if (instruction.op === "store" && instruction.region === "stack") {
          this.#need(instruction.args.slice(1)); // the verifier remembers what is on the stack
        }
      }
    }
  }

  /** Does an address, a helper's argument or a loop's end depend on what the verifier knows of `value`? */
  needs(value: Value): boolean {
    return this.#needed.has(value) || !this.#seen.has(value);
  }

  /** May the verifier know more about `value` in some places than what its operation tells? */
  isCompared(value: Value): boolean {
    return this.#compared.has(value) || !this.#seen.has(value);
  }

  /** Can `outer`, computed from `inner`, be computed from what `inner` is made of, without the verifier losing anything? */
  maySkip(inner: Value, outer: Value): boolean {
    return !this.isCompared(inner) || !this.needs(outer);
  }

  /** Does the verifier possibly know more about `value` if it is computed later? Then an older copy cannot stand for it. */
  sharpens(value: Value, depth = 8): boolean {
    if (depth === 0) return true;
    return value.args.some((argument) => {
      if (argument.type === "ptr" || argument.op === "const") return false;
      if (this.#compared.has(argument)) return true;
      return isArithmetic(argument) && this.sharpens(argument, depth - 1);
    });
  }

  #need(values: readonly Value[]): void {
    const waiting = [...values];
    for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
      if (value.type === "ptr" || this.#needed.has(value)) continue;
      this.#needed.add(value);
      if (isArithmetic(value) || value.op === "phi") waiting.push(...value.args);
    }
  }
}

/** Operations through which the verifier carries what it knows. It forgets all at a byte swap. */
function isArithmetic({ op }: Value): boolean {
  return isBinary(op) || op === "zext" || op === "sext";
}

/** A test for one constant, of something that does not change from turn to turn by counting. */
function isFixedTest(comparison: Instruction): boolean {
  const [left, right] = comparison.args as [Value, Value]; // a comparison has two
  return (comparison.op === "eq" || comparison.op === "ne") && right.op === "const" && !dependsOnPhi(left, 8);
}

function dependsOnPhi(value: Value, depth: number): boolean {
  if (value.op === "phi" || depth === 0) return true;
  if (value.op === "load" || value.op === "call") return false;
  return value.args.some((argument) => dependsOnPhi(argument, depth - 1));
}
