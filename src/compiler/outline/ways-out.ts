/**
 * The ways out of a loop that becomes a callback. A round that leaves the loop writes the way's number and what is used behind the loop
 * into the frame, and ends the rounds; behind the call the caller reads the number, and goes where the loop went.
 */
import { Dominators } from "../ir/dominators.ts";
import { addIncoming, edgeIndex, phisOf, removeIncoming } from "../ir/edges.ts";
import { type Block, type Function, isCompare, type Value } from "../ir/ir.ts";
import { type Exit, exitsOf, type NaturalLoop } from "../ir/loops.ts";
import { U64_MAX, upperBound } from "../ir/range.ts";
import type { CodeWriter } from "./code-writer.ts";
import { type Bounds, boundsAt } from "./known-bounds.ts";
import type { LoopFrame } from "./loop-frame.ts";
import { lessenedValues, provingValues } from "./proving.ts";

export class WaysOut {
  readonly #code: CodeWriter;
  readonly #fn: Function;
  readonly #loop: NaturalLoop;
  readonly #dominators: Dominators;
  /** The loop's block that computes each value of the loop. */
  readonly #home: ReadonlyMap<Value, Block>;
  /** The loop's values that are used behind it. */
  readonly #liveOut: readonly Value[];
  /** Ways out that bring the same to the same block are one. */
  readonly #groups: readonly Exit[][];
  /** What those numbers can be of which the verifier must know it when they are used behind it, by the way out. */
  readonly #bounds = new Map<readonly Exit[], ReadonlyMap<Value, Bounds>>();
  /** The same for numbers from before the loop, with which it compares: the comparison is in the callback, and the caller's copy is as it was. */
  readonly #compared = new Map<readonly Exit[], readonly [Value, Bounds][]>();
  /** What is in the frame when the loop is left that way. */
  readonly #leaving = new Map<readonly Exit[], Value[]>();

  /** To be made while the function is whole. `counted`: what counters of the loop, and of those in it, can be, where it is known. */
  constructor(
    code: CodeWriter,
    fn: Function,
    loop: NaturalLoop,
    home: ReadonlyMap<Value, Block>,
    counted: ReadonlyMap<Value, Bounds>,
  ) {
    const dominators = new Dominators(fn);
    const proving = provingValues(fn);
    const lessened = lessenedValues(fn);
    this.#code = code;
    this.#fn = fn;
    this.#loop = loop;
    this.#dominators = dominators;
    this.#home = home;
    this.#groups = this.#grouped();
    this.#liveOut = this.#usedBehind();
    const fromBefore = this.#fromBefore();
    for (const group of this.#groups) {
      const leaving = this.#leavingBy(group);
      const boundOf = boundsAt(group, loop.blocks, dominators, counted);
      const bounded = (value: Value): [Value, Bounds][] => {
        if (value.type !== "int" || !proving.has(value)) return [];
        const { least, most } = boundOf(value);
        return [[value, { least: lessened.has(value) ? least : 0n, most }]];
      };
      const found = leaving.flatMap(bounded);
      this.#leaving.set(group, leaving);
      this.#bounds.set(group, new Map(found));
      this.#compared.set(group, fromBefore.flatMap(bounded));
    }
  }

  /** Numbers from before the loop that are compared in it and used behind it. */
  #fromBefore(): Value[] {
    const { blocks, header } = this.#loop;
    const compared = new Set<Value>();
    for (const { instructions } of blocks) {
      for (const { op, args } of instructions) {
        const [left] = args;
        if (isCompare(op) && left !== undefined && !this.#home.has(left) && left.op !== "const") compared.add(left);
      }
    }
    const behind = this.#fn.blocks.filter((block) => !blocks.has(block) && this.#dominators.dominates(header, block));
    const used = new Set(behind.flatMap(({ instructions }) => instructions.flatMap(({ args }) => args)));
    return [...compared].filter((value) => used.has(value));
  }

  #grouped(): Exit[][] {
    const groups = new Map<string, Exit[]>();
    for (const exit of exitsOf(this.#loop)) {
      const index = edgeIndex(exit.from, exit.which);
      const brought = phisOf(exit.target).map((phi) => phi.args[index]?.id);
      const inside = phisOf(exit.target).some((phi) => this.#home.has(phi.args[index] as Value));
      // A value of the loop is known by where it was computed, so only ways that bring none of them are alike.
      const key = inside ? `${exit.from.id} ${exit.which}` : `to ${exit.target.id} ${brought.join(" ")}`;
      groups.set(key, [...(groups.get(key) ?? []), exit]);
    }
    return [...groups.values()];
  }

  #usedBehind(): Value[] {
    const result = new Set<Value>();
    for (const block of this.#fn.blocks) {
      if (this.#loop.blocks.has(block)) continue;
      for (const instruction of block.instructions) {
        for (const [index, value] of instruction.args.entries()) {
          // What a phi takes from one of the loop's blocks is that way out's business.
          const from = instruction.op === "phi" ? block.predecessors[index] : undefined;
          if (this.#home.has(value) && (from === undefined || !this.#loop.blocks.has(from))) result.add(value);
        }
      }
      for (const value of block.terminator.args) if (this.#home.has(value)) result.add(value);
    }
    return [...result];
  }

  /** The values that must be in the frame when the loop is left by `exits`. */
  #leavingBy(exits: readonly Exit[]): Value[] {
    const dominating = this.#liveOut.filter((value) =>
      exits.every(({ from }) => this.#dominators.dominates(this.#home.get(value) as Block, from)),
    );
    const [first] = exits as [Exit];
    const index = edgeIndex(first.from, first.which);
    const brought = phisOf(first.target)
      .map((phi) => phi.args[index] as Value)
      .filter((value) => this.#home.has(value));
    return [...new Set([...dominating, ...brought])];
  }

  /** Behind the call in `after`: a block for each way out that reads what it brings. Gives where each of the loop's values is then. */
  dispatch(after: Block, frame: LoopFrame, slot: Value): Map<Value, Map<Block, Value>> {
    const code = this.#code;
    const definitions = new Map<Value, Map<Block, Value>>(this.#liveOut.map((value) => [value, new Map()]));
    const exitCode = frame.exit(after, slot);
    const never = code.newBlock();
    let at = after;
    const made: Block[] = [];
    this.#groups.forEach((exits, number) => {
      const landing = code.newBlock();
      const next = code.newBlock();
      const isThis = code.emit(at, { op: "eq", type: "bool", args: [exitCode, code.constant(at, BigInt(number + 1))] });
      code.branch(at, isThis, landing, next);
      const leaving = this.#leaving.get(exits) ?? [];
      const bounds = this.#bounds.get(exits);
      made.push(landing);
      const loaded = new Map<Value, Value>();
      for (const value of leaving) {
        // What needs nothing to be made is made again.
        if (value.args.length === 0 && value.op !== "phi") {
          loaded.set(value, code.emit(landing, { ...value, args: [] }));
          continue;
        }
        const most = bounds?.get(value)?.most ?? U64_MAX;
        if (most === U64_MAX) frame.keep(value);
        else frame.keepBounded(value, most);
        loaded.set(value, frame.load(landing, slot, value));
      }
      let end = landing;
      const goOnUnless = (op: "ult" | "ugt", copy: Value, bound: bigint): void => {
        const good = code.newBlock();
        const isWrong = code.emit(end, { op, type: "bool", args: [copy, code.constant(end, bound)] });
        code.branch(end, isWrong, never, good);
        made.push(good);
        end = good;
      };
      for (const [value, copy] of loaded) {
        const { least, most } = bounds?.get(value) ?? { least: 0n, most: U64_MAX };
        const told = most === U64_MAX ? (frame.forgottenBound(value) ?? most) : most;
        if (told < frame.bound(value)) goOnUnless("ugt", copy, told);
        if (least > 0n) goOnUnless("ult", copy, least);
      }
      for (const [value, { least, most }] of this.#compared.get(exits) ?? []) {
        if (most < upperBound(value)) goOnUnless("ugt", value, most);
        if (least > 0n) goOnUnless("ult", value, least);
      }
      for (const [value, copy] of loaded) definitions.get(value)?.set(end, copy);
      const [{ from, which, target }] = exits as [Exit];
      const index = edgeIndex(from, which);
      const brought = phisOf(target).map((phi) => phi.args[index] as Value);
      code.leadTo(end, target);
      let phi = 0;
      addIncoming(target, end, () => {
        const value = brought[phi++] as Value;
        return loaded.get(value) ?? value;
      });
      made.push(next);
      at = next;
    });
    // No round has left the loop, or a number is none that it can be: that does not happen, but the verifier asks.
    code.jump(at, never);
    code.return(never, 0n);
    made.push(never);
    this.#fn.blocks.splice(this.#fn.blocks.indexOf(after) + 1, 0, ...made);
    for (const exits of this.#groups) {
      for (const { from, target } of exits) removeIncoming(target, target.predecessors.indexOf(from));
    }
    return definitions;
  }

  /** In the callback, after `dispatch`: each way out becomes a return. Gives the blocks that do it. */
  returns(carried: readonly Value[], frame: LoopFrame, address: Value): Block[] {
    return this.#groups.map((exits, number) => {
      const out = this.#code.newBlock();
      for (const value of this.#leaving.get(exits) ?? []) {
        // What a round reads at its start is still there.
        if (!carried.includes(value) && frame.holds(value)) frame.store(out, address, value, value);
      }
      frame.setExit(out, address, number + 1);
      this.#code.return(out, 1n);
      for (const { from, which } of exits) {
        from.terminator.targets[which] = out;
        out.predecessors.push(from);
      }
      return out;
    });
  }
}
