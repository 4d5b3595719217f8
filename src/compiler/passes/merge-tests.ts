/**
 * Tests neighbouring fields of the packet at once: two tests for constants that go to the same place when they fail are one wider
 * load, a mask, and one comparison.
 *
 *     if (u8[p + 14] >> 4 != 4) goto out; if (u8[p + 14] & 15 != 5) goto out        becomes        if (u8[p + 14] != 0x45) goto out
 *
 * The wider load stands where the first test was, so it may only read what a check before that has found inside the packet.
 */
import { Dominators } from "../ir/dominators.ts";
import { keepOnlyTarget, leadAlike } from "../ir/edges.ts";
import type { AccessSize, Block, Function, Instruction, Value } from "../ir/ir.ts";
import { hasSideEffect, isCompare } from "../ir/ir.ts";
import { maskOf } from "../ir/known-bits.ts";
import { Aliases, type Location, locationOf } from "../ir/memory.ts";
import { constantOf } from "../ir/range.ts";
import { type User, usersOf } from "../ir/uses.ts";
import { Bounding } from "./bounding.ts";
import { reachInside } from "./implication.ts";
import { factsAbove } from "./known-facts.ts";

type Load = Extract<Instruction, { op: "load" }>;

/** Passes when the bits of the load that are in `mask` are `value`. */
interface Test {
  block: Block;
  load: Load;
  mask: bigint;
  value: bigint;
  passes: 0 | 1;
  /** Instructions that are there for this test only. */
  cost: number;
}

/** Wider constants take two words of code each. */
const WIDEST = 4;
const LONGEST_CHAIN = 16;

/** True when any tests were merged. */
export function mergeTests(fn: Function): boolean {
  const merger = new Merger(fn);
  let changed = false;
  for (const block of fn.blocks) if (merger.mergeFrom(block)) changed = true;
  return changed;
}

class Merger {
  readonly #function: Function;
  readonly #users: ReadonlyMap<Value, User[]>;
  readonly #bounding: Bounding;
  readonly #dominators: Dominators;
  readonly #aliases: Aliases;
  /** Blocks with a test that has changed since the analyses were made. */
  readonly #touched = new Set<Block>();

  constructor(fn: Function) {
    this.#function = fn;
    this.#users = usersOf(fn);
    this.#bounding = new Bounding(fn);
    this.#dominators = new Dominators(fn);
    this.#aliases = new Aliases(fn);
  }

  /** Merges the test of `block` with one that comes after it, when there is one. */
  mergeFrom(block: Block): boolean {
    const first = this.#testIn(block);
    if (first === null) return false;
    for (const other of this.#testsAfter(first)) {
      if (!this.#merge(first, other)) continue;
      this.#touched.add(first.block).add(other.block);
      return true;
    }
    return false;
  }

  #testIn(block: Block): Test | null {
    const { terminator } = block;
    if (this.#touched.has(block) || terminator.op !== "branch" || terminator.targets[0] === terminator.targets[1]) return null;
    const [condition] = terminator.args;
    const [left, right] = condition.args;
    const constant = right === undefined ? null : constantOf(right);
    if ((condition.op !== "eq" && condition.op !== "ne") || left === undefined || constant === null) return null;
    if (!this.#isOnlyFor(condition, terminator)) return null;
    const field = fieldOf(left, constant);
    if (field === null || this.#bounding.needs(left) || this.#bounding.needs(field.load)) return null;
    const isOperation = left !== field.load && this.#isOnlyFor(left, condition);
    const isBitTest = left.op === "and" && constant === 0n;
    const loadGoes = this.#isOnlyFor(field.load, left === field.load ? condition : left);
    const cost = 1 + (isOperation && !isBitTest ? 1 : 0) + (loadGoes && (left === field.load || isOperation) ? 1 : 0);
    return { block, ...field, passes: condition.op === "eq" ? 0 : 1, cost };
  }

  #isOnlyFor(value: Value, user: User): boolean {
    const users = this.#users.get(value);
    return users?.length === 1 && users[0] === user;
  }

  /**
   * The tests that must pass too, or the packet ends in the same place as when the first one fails. What else decides about that in between
   * may do so later.
   */
  *#testsAfter(first: Test): Generator<Test> {
    const failure: [Block, number] = [first.block, 1 - first.passes];
    let next = first.block.terminator.targets[first.passes] as Block; // a branch has two
    for (let count = 0; count < LONGEST_CHAIN; count++) {
      if (next.predecessors.length !== 1 || next.instructions.some((each) => each.op === "phi" || hasSideEffect(each))) return;
      if (next.terminator.op !== "branch" || next.terminator.targets[0] === next.terminator.targets[1]) return;
      const passes = ([0, 1] as const).find((which) => leadAlike(failure, [next, 1 - which]));
      if (passes === undefined) return;
      const test = this.#testIn(next);
      if (test?.passes === passes) yield test;
      next = next.terminator.targets[passes];
    }
  }

  #merge(first: Test, second: Test): boolean {
    const [one, other] = [locationOf(first.load), locationOf(second.load)];
    if (one.base !== other.base || one.region !== other.region) return false;
    const start = Math.min(one.offset, other.offset);
    const length = Math.max(one.offset + one.size, other.offset + other.size) - start;
    const size = ([1, 2, 4] as const).find((each) => each >= length);
    if (size === undefined || size > WIDEST) return false;
    const at = this.#windowAt(first.block, one.base, start, length, size);
    if (at === null && !(first.load === second.load)) return false;
    const from = at ?? start;
    const shift = (location: { offset: number }): bigint => BigInt(8 * (location.offset - from));
    const mask = (first.mask << shift(one)) | (second.mask << shift(other));
    const value = (first.value << shift(one)) | (second.value << shift(other));
    // Both test the same bits, and not for the same: never both.
    if ((((first.mask << shift(one)) & value) ^ (first.value << shift(one))) !== 0n) return false;
    if ((((second.mask << shift(other)) & value) ^ (second.value << shift(other))) !== 0n) return false;
    const isWhole = mask === maskOf(8 * size);
    const reused = [first.load, second.load].find((load) => this.#isThere(load, first.block, from, size));
    const operation = isWhole || value === 0n ? 0 : 1;
    const staying = first.load === second.load && first.cost + second.cost < 4 ? 0 : 1;
    if (1 + operation + (reused === undefined ? 1 : staying) >= first.cost + second.cost) return false;
    const wide = { ...one, offset: from, size };
    if (first.load !== second.load && ![first.load, second.load].every((load) => this.#isUnchanged(load, first.block, wide)))
      return false;
    this.#replace(first, second, { base: one.base, from, size, mask, value, isWhole, reused });
    return true;
  }

  #isThere(load: Load, block: Block, offset: number, size: number): boolean {
    return load.size === size && locationOf(load).offset === offset && this.#isBefore(load, block);
  }

  #isBefore(load: Load, block: Block): boolean {
    for (let at: Block | null = block; at !== null; at = this.#dominators.parent(at))
      if (at.instructions.includes(load)) return true;
    return false;
  }

  /** Does nothing between `load` and the end of `block` write to `place`? Yes when `load` comes later: tests write nothing. */
  #isUnchanged(load: Load, block: Block, place: Location): boolean {
    if (!this.#isBefore(load, block)) return true;
    const waiting = [block];
    const seen = new Set(waiting);
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const own = at.instructions.indexOf(load);
      if (at.instructions.slice(own + 1).some((each) => this.#mayWrite(each, place))) return false;
      if (own >= 0) continue;
      for (const before of at.predecessors) {
        if (seen.has(before)) continue;
        seen.add(before);
        waiting.push(before);
      }
    }
    return true;
  }

  #mayWrite(instruction: Instruction, place: Location): boolean {
    if (instruction.op === "call") return this.#aliases.mayBeWritten(place, instruction.helper);
    if (instruction.op !== "store" && instruction.op !== "atomic_add") return false;
    return this.#aliases.mayOverlap(locationOf(instruction), place);
  }

  /** Where a load of `size` bytes can start that covers the bytes from `start` on and stays inside the packet. */
  #windowAt(block: Block, base: Value, start: number, length: number, size: number): number | null {
    const most = this.#bytesInside(block, base);
    const lowest = start + length - size;
    if (start + size <= most) return start;
    const last = most - size;
    return last >= lowest && last >= 0 ? last : null;
  }

  /** How many bytes from `base` on are known to be in the packet, in `block`. */
  #bytesInside(block: Block, base: Value): number {
    let most = 0;
    for (const fact of factsAbove(block, this.#dominators)) {
      const reach = reachInside(fact);
      if (reach !== null && reach.pointer === base) most = Math.max(most, reach.bytes);
    }
    return most;
  }

  #replace(
    { block, passes, load }: Test,
    second: Test,
    {
      base,
      from,
      size,
      mask,
      value,
      isWhole,
      reused,
    }: {
      base: Value;
      from: number;
      size: AccessSize;
      mask: bigint;
      value: bigint;
      isWhole: boolean;
      reused: Load | undefined;
    },
  ): void {
    const made: Instruction[] = [];
    const make = <T extends Instruction>(instruction: T): T => {
      made.push(instruction);
      return instruction;
    };
    const origin = (): { id: number; span: Instruction["span"] } => ({ id: this.#function.nextId++, span: load.span });
    const constant = (number: bigint): Value => make({ op: "const", type: "int", args: [], value: number, ...origin() });
    const wide = reused ?? make({ op: "load", type: "int", args: [base], size, offset: from, region: "packet", ...origin() });
    const tested = isWhole ? wide : make({ op: "and", type: "int", args: [wide, constant(mask)], ...origin() });
    const condition = make({ op: "eq", type: "bool", args: [tested, constant(value)], ...origin() });
    block.instructions.push(...made);
    const { terminator } = block;
    if (terminator.op !== "branch") return;
    const [pass, fail] = passes === 0 ? terminator.targets : terminator.targets.toReversed();
    terminator.args = [condition];
    terminator.targets = [pass as Block, fail as Block];
    keepOnlyTarget(second.block, second.passes);
  }
}

/** A field that is compared with a constant, as bits of what is loaded. */
function fieldOf(left: Value, constant: bigint): { load: Load; mask: bigint; value: bigint } | null {
  const whole = (load: Load): bigint => maskOf(8 * load.size);
  if (isPacketLoad(left)) return constant <= whole(left) ? { load: left, mask: whole(left), value: constant } : null;
  const [inner, second] = left.args;
  const operand = second === undefined ? null : constantOf(second);
  if (inner === undefined || operand === null || isCompare(left.op) || !isPacketLoad(inner)) return null;
  if (left.op === "and") {
    const mask = operand & whole(inner);
    return (constant & ~mask) === 0n ? { load: inner, mask, value: constant } : null;
  }
  if (left.op !== "lshr" || operand >= BigInt(8 * inner.size)) return null;
  const mask = (whole(inner) >> operand) << operand;
  const value = constant << operand;
  return (value & ~mask) === 0n ? { load: inner, mask, value } : null;
}

function isPacketLoad(value: Value): value is Load {
  return value.op === "load" && value.region === "packet" && value.type === "int" && value.size <= WIDEST;
}
