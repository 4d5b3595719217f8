/**
 * Reads memory once: a load of what was loaded or stored before, on every path and with nothing in between that may have changed
 * it, is that value. A store of what is there already goes too.
 *
 * The memory that is known at a block's start is what all its predecessors know at their ends (a forward data flow problem,
 * solved optimistically in reverse postorder).
 */
import { evaluateBinary } from "../ir/arithmetic.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { Aliases, type Location, locationOf } from "../ir/memory.ts";
import { reversePostorder } from "../ir/order.ts";
import { Replacements } from "../ir/uses.ts";

/** Memory of which the content is known. */
interface Content {
  location: Location;
  value: Value;
  /** The value is the load of just this place: all its bits are right, not only the low ones. */
  isExact: boolean;
}

const MOST_ROUNDS = 50;

type Memory = Map<string, Content>;

/** True when any load or store went. */
export function forwardLoads(fn: Function): boolean {
  const aliases = new Aliases(fn);
  const order = reversePostorder(fn);
  const atEnd = new Map<Block, Memory>();
  let rounds = 0;
  for (let changed = true; changed; rounds++) {
    // What a first round took for granted may be lost in a second: it settles soon, or the function is left alone.
    if (rounds > MOST_ROUNDS) return false;
    changed = false;
    for (const block of order) {
      const memory = meet(block, atEnd);
      for (const instruction of block.instructions) step(instruction, memory, aliases);
      const before = atEnd.get(block);
      if (before !== undefined && isEqual(before, memory)) continue;
      atEnd.set(block, memory);
      changed = true;
    }
  }
  return rewrite(fn, order, atEnd, aliases);
}

/** What all predecessors that were looked at agree on. */
function meet(block: Block, atEnd: ReadonlyMap<Block, Memory>): Memory {
  const known = block.predecessors.flatMap((predecessor) => atEnd.get(predecessor) ?? []);
  const [first, ...others] = known;
  const result: Memory = new Map();
  for (const [key, content] of first ?? []) {
    if (others.every((other) => isSame(other.get(key), content))) result.set(key, content);
  }
  return result;
}

function isSame(left: Content | undefined, right: Content): boolean {
  return left !== undefined && left.value === right.value && left.isExact === right.isExact;
}

function isEqual(left: Memory, right: Memory): boolean {
  return left.size === right.size && [...right].every(([key, content]) => isSame(left.get(key), content));
}

/** What `instruction` does to what is known of memory. */
function step(instruction: Instruction, memory: Memory, aliases: Aliases): void {
  switch (instruction.op) {
    case "load": {
      const location = locationOf(instruction);
      const key = keyOf(location);
      if (!memory.has(key)) memory.set(key, { location, value: instruction, isExact: true });
      return;
    }
    case "store": {
      const location = locationOf(instruction);
      forget(memory, (content) => aliases.mayOverlap(content.location, location));
      memory.set(keyOf(location), { location, value: instruction.args[1] as Value, isExact: location.size === 8 });
      return;
    }
    case "atomic_add": {
      const location = locationOf(instruction);
      return forget(memory, (content) => aliases.mayOverlap(content.location, location));
    }
    case "call":
      return forget(memory, (content) => aliases.mayBeWritten(content.location, instruction.helper));
    default:
  }
}

function forget(memory: Memory, isLost: (content: Content) => boolean): void {
  for (const [key, content] of memory) if (isLost(content)) memory.delete(key);
}

function keyOf({ region, base, offset, size }: Location): string {
  return `${region} v${base.id} ${offset} ${size}`;
}

function rewrite(fn: Function, order: readonly Block[], atEnd: ReadonlyMap<Block, Memory>, aliases: Aliases): boolean {
  const replacements = new Replacements();
  const redundant = new Set<Instruction>();
  for (const block of order) {
    const memory = meet(block, atEnd);
    const output: Instruction[] = [];
    for (const instruction of block.instructions) {
      if (instruction.op === "load") {
        const value = contentOf(fn, instruction, memory, output);
        if (value !== null) replacements.set(instruction, value);
      } else if (instruction.op === "store") {
        const known = memory.get(keyOf(locationOf(instruction)));
        if (known !== undefined && known.value === instruction.args[1]) redundant.add(instruction);
      }
      step(instruction, memory, aliases);
      if (!redundant.has(instruction)) output.push(instruction);
    }
    block.instructions = output;
  }
  return replacements.apply(fn) || redundant.size > 0;
}

/** The value that `load` would give, made in `output` where it must be; `null` when it is not known. */
function contentOf(
  fn: Function,
  load: Extract<Instruction, { op: "load" }>,
  memory: Memory,
  output: Instruction[],
): Value | null {
  const location = locationOf(load);
  const known = memory.get(keyOf(location));
  if (known !== undefined) {
    if ((known.value.type === "ptr") !== (load.type === "ptr")) return null;
    if (known.isExact || known.value === load) return known.value === load ? null : known.value;
    return lowBytes(fn, load, known.value, output);
  }
  for (const content of memory.values()) {
    const from = location.offset - content.location.offset;
    if (content.location.base !== location.base || content.location.region !== location.region) continue;
    if (from < 0 || from + location.size > content.location.size || load.type === "ptr") continue;
    // A part of a constant is a constant; the low part of anything on the stack is cheaper to mask than to load.
    const { value } = content;
    if (value.op === "const" && value.type !== "ptr") {
      const part = evaluateBinary("lshr", value.value, BigInt(8 * from));
      const constant: Value = { op: "const", id: fn.nextId++, type: "int", args: [], value: part, span: load.span };
      output.push(constant);
      return lowBytes(fn, load, constant, output);
    }
    if (from === 0 && location.region === "stack" && value.type === "int") return lowBytes(fn, load, value, output);
  }
  return null;
}

function lowBytes(fn: Function, load: Extract<Instruction, { op: "load" }>, value: Value, output: Instruction[]): Value {
  if (load.size === 8) return value;
  const bits = (load.size * 8) as 8 | 16 | 32;
  const low: Value = { op: "zext", id: fn.nextId++, type: "int", args: [value], bits, span: load.span };
  output.push(low);
  return low;
}
