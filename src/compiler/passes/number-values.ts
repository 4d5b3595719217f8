/**
 * Computes equal things once: a value stands for every later one that computes the same from the same, wherever it is sure to
 * have been computed before. Values are only reused, never moved.
 */
import { mirrored } from "../ir/comparison.ts";
import { Dominators } from "../ir/dominators.ts";
import { effectsOf } from "../ir/effects.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { isBinary, isCompare } from "../ir/ir.ts";
import { Replacements } from "../ir/uses.ts";
import { Bounding } from "./bounding.ts";

interface Known {
  value: Value;
  block: Block;
}

/** True when anything was reused. */
export function numberValues(fn: Function): boolean {
  const [entry] = fn.blocks;
  if (entry === undefined) return false;
  const dominators = new Dominators(fn);
  const bounding = new Bounding(fn);
  const replacements = new Replacements();
  // What is known in a block is known in all that it dominates: one table a level of the dominator tree.
  const visit = (block: Block, outer: Table): void => {
    const table = new Table(outer);
    for (const instruction of block.instructions) {
      if (instruction.op !== "phi") replacements.rewrite(instruction);
      const key = keyOf(instruction, block);
      if (key === null) continue;
      const known = table.get(key);
      if (known !== undefined && (known.block === block || mayReuse(instruction, bounding))) {
        replacements.set(instruction, known.value);
        // A loop's counter counts on in what a round has computed.
        if (instruction.rounds !== undefined) known.value.rounds = instruction.rounds;
      } else {
        table.set(key, { value: instruction, block });
      }
    }
    for (const child of dominators.children(block)) visit(child, table);
  };
  visit(entry, new Table(null));
  return replacements.apply(fn);
}

class Table {
  readonly #outer: Table | null;
  readonly #own = new Map<string, Known>();

  constructor(outer: Table | null) {
    this.#outer = outer;
  }

  get(key: string): Known | undefined {
    for (let table: Table | null = this; table !== null; table = table.#outer) {
      const known = table.#own.get(key);
      if (known !== undefined) return known;
    }
    return undefined;
  }

  set(key: string, known: Known): void {
    this.#own.set(key, known);
  }
}

/** May a copy from an earlier block stand for `instruction`? In between, a branch may have told the verifier more about its operands. */
function mayReuse(instruction: Instruction, bounding: Bounding): boolean {
  const matters = instruction.type === "ptr" || bounding.needs(instruction);
  return !matters || !bounding.sharpens(instruction);
}

/** Equal for instructions that compute the same; `null` for those that may not be merged. */
function keyOf(instruction: Instruction, block: Block): string | null {
  const { op, type, args } = instruction;
  const ids = args.map((value) => value.id);
  if (isCompare(op)) {
    const [left = 0, right = 0] = ids;
    return left <= right ? `${op} ${left} ${right}` : `${mirrored(op)} ${right} ${left}`;
  }
  if (op === "add" || op === "mul" || op === "and" || op === "or" || op === "xor") ids.sort((left, right) => left - right);
  if (isBinary(op)) return `${op} ${type} ${ids.join(" ")}`;
  switch (instruction.op) {
    case "context":
      return op;
    case "const":
      return `${op} ${type} ${instruction.value}`;
    case "zext":
    case "sext":
    case "bswap":
      return `${op} ${instruction.bits} ${ids[0]}`;
    case "map":
    case "function":
      return `${op} ${instruction.name}`;
    case "data":
      return `${op} ${instruction.section} ${instruction.offset}`;
    case "phi":
      return `${op} ${type} b${block.id} ${ids.join(" ")}`;
    case "call": {
      const { pure, reads } = effectsOf(instruction.helper);
      return pure && reads.length === 0 ? `${op} ${instruction.helper} ${ids.join(" ")}` : null;
    }
    default:
      return null; // memory is `forwardLoads`'s business, and every slot is a place of its own
  }
}
