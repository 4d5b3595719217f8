/**
 * Turns a loop into a call of the kernel's `bpf_loop` (Linux 5.17): its body becomes a function that the kernel calls for each round. What the
 * body needs lies in a frame on the caller's stack, whose address the kernel hands through:
 *
 * - what was computed before the loop is put there once, and read at the start of each round: addresses keep the bounds that were
 *   checked, since the verifier follows them through the stack;
 * - what changes from round to round is read at the start and written at the end of a round. A counter is not among it: it is
 *   computed from the number of the round, of which the verifier knows nothing but what a comparison tells it;
 * - a number says by which way the loop was left. The way out leads through the caller, which reads what it needs from the frame.
 *
 * The verifier walks the body until nothing new can come of it (Linux 6.7) or once (before), but not round by round. For that it must not
 * see the numbers that change: those that matter to it are written in a part of a word, which it does not look into.
 */
import { HELPER } from "../../object/helpers.ts";
import { Dominators } from "../ir/dominators.ts";
import { addIncoming, edgeIndex, phisOf, removeIncoming } from "../ir/edges.ts";
import type { Block, Function, Instruction, Span, Value } from "../ir/ir.ts";
import { maskOf } from "../ir/known-bits.ts";
import { type Exit, exitsOf, type NaturalLoop } from "../ir/loops.ts";
import { upperBound } from "../ir/range.ts";
import { rejoin } from "../ir/rejoin.ts";
import { decisiveValues } from "./decisive.ts";
import { boundsAt } from "./known-bounds.ts";
import { type Fresh, forgottenAt, readPlace, rememberedAt, type StackPlace, writePlace } from "./stack-place.ts";

/** BPF_MAX_LOOPS */
export const MOST_ROUNDS = 1 << 23;

/** Moves `loop` out of `fn`; gives the function that runs one round. `rounds` is at least how often the loop's body begins. */
export function outline(fn: Function, loop: NaturalLoop, name: string, rounds: number): Function {
  return new Outlining(fn, loop, name, Math.min(rounds, MOST_ROUNDS)).run();
}

interface Counter {
  phi: Value;
  start: Value;
  step: bigint;
}

class Outlining {
  readonly #fn: Function;
  readonly #loop: NaturalLoop;
  readonly #rounds: number;
  readonly #callback: Function;
  readonly #span: Span | null;
  readonly #dominators: Dominators;
  readonly #decisive: ReadonlySet<Value>;
  readonly #frame: Value & { op: "slot" };
  /** The callback's first block, and the frame's address and the round's number in it. */
  readonly #entry: Block;
  readonly #frameInside: Value;
  readonly #round: Value;
  /** In the caller, where the kernel is called. */
  readonly #site: Block;
  readonly #places = new Map<Value, StackPlace>();
  readonly #inside = new Map<Value, Value>();
  /** What the verifier could say of each carried value as long as it saw it. */
  readonly #bounds = new Map<Value, bigint>();
  /** What comparisons in the loop say of what is used behind it, by the way out. */
  readonly #exitBounds = new Map<readonly Exit[], ReadonlyMap<Value, bigint>>();
  #exitPlace = rememberedAt(0);

  constructor(fn: Function, loop: NaturalLoop, name: string, rounds: number) {
    this.#fn = fn;
    this.#loop = loop;
    this.#rounds = rounds;
    const { header } = loop;
    this.#span = header.instructions.find(({ span }) => span !== null)?.span ?? header.terminator.span;
    this.#dominators = new Dominators(fn);
    this.#decisive = decisiveValues(fn);
    this.#callback = { name, blocks: [], nextId: fn.nextId };
    this.#entry = this.#newBlock();
    this.#callback.blocks.push(this.#entry);
    this.#round = this.#emit(this.#entry, { op: "argument", type: "int", args: [], index: 0 });
    this.#frameInside = this.#emit(this.#entry, { op: "argument", type: "ptr", args: [], index: 1, align: 8 });
    const slot = this.#make({ op: "slot", type: "ptr", args: [], size: 0, align: 8 });
    if (slot.op !== "slot") throw new Error("a slot is a slot");
    this.#frame = slot;
    fn.blocks[0]?.instructions.unshift(slot);
    this.#site = this.#newBlock();
  }

  run(): Function {
    const { header, blocks } = this.#loop;
    const exits = this.#groupedExits();
    const liveOut = this.#liveOut();
    for (const group of exits) {
      const boundOf = boundsAt(group, blocks, this.#dominators);
      const found = liveOut.flatMap((value): [Value, bigint][] => {
        const bound = value.type === "int" ? boundOf(value) : null;
        return bound === null ? [] : [[value, bound]];
      });
      this.#exitBounds.set(group, new Map(found));
    }
    const counters = this.#counters();
    const carried = phisOf(header).filter((phi) => !counters.some((counter) => counter.phi === phi));
    this.#exitPlace = this.#place();
    for (const phi of carried) {
      this.#places.set(phi, this.#placeOfCarried(phi));
      this.#bounds.set(phi, upperBound(phi));
    }
    const starts = this.#enterSite();
    const liveIn = this.#liveIn(counters);

    // The caller: fill the frame, call, and go where the loop went.
    this.#write(this.#site, this.#frame, this.#exitPlace, this.#constant(this.#site, 0n));
    for (const phi of carried) this.#store(this.#site, this.#frame, phi, starts.get(phi) as Value);
    for (const value of liveIn) this.#store(this.#site, this.#frame, value, value);
    const site = this.#site;
    const callback = this.#emit(site, { op: "function", type: "ptr", args: [], name: this.#callback.name });
    const count = this.#constant(site, BigInt(this.#rounds));
    const none = this.#constant(site, 0n);
    this.#emit(site, { op: "call", type: "int", args: [count, callback, this.#frame, none], helper: HELPER.loop });
    const landings = this.#dispatch(exits, liveOut);

    // The callback: one round.
    this.#prologue(liveIn, carried, counters);
    this.#takeBlocks(carried, exits);
    this.#fn.blocks = this.#fn.blocks.filter((block) => !blocks.has(block));
    this.#fn.nextId = Math.max(this.#fn.nextId, this.#callback.nextId);
    for (const [value, definitions] of landings) rejoin(this.#fn, value, definitions);
    this.#callback.nextId = Math.max(this.#fn.nextId, this.#callback.nextId);
    this.#frame.size = this.#frameSize;
    return this.#callback;
  }

  // -- making instructions; ids are unique in both functions --

  #newBlock(): Block {
    const unset = { op: "unset", args: [], targets: [] } as unknown as Block["terminator"]; // until the block is ended
    return { id: this.#callback.nextId++, predecessors: [], instructions: [], terminator: unset };
  }

  #make(body: Fresh<Instruction>): Instruction {
    return { ...body, id: this.#callback.nextId++, span: this.#span } as Instruction;
  }

  #emit(block: Block, body: Fresh<Instruction>): Value {
    const value = this.#make(body);
    block.instructions.push(value);
    return value;
  }

  #constant(block: Block, value: bigint, type: Value["type"] = "int"): Value {
    return this.#emit(block, { op: "const", type, args: [], value: BigInt.asIntN(64, value) });
  }

  #jump(from: Block, to: Block): void {
    from.terminator = { op: "jump", args: [], targets: [to], span: this.#span };
    to.predecessors.push(from);
  }

  #branch(from: Block, condition: Value, then: Block, otherwise: Block): void {
    from.terminator = { op: "branch", args: [condition], targets: [then, otherwise], span: this.#span };
    then.predecessors.push(from);
    otherwise.predecessors.push(from);
  }

  #return(block: Block, value: bigint): void {
    block.terminator = { op: "return", args: [this.#constant(block, value)], targets: [], span: this.#span };
  }

  // -- the frame --

  #frameSize = 0;

  /** The frame's next word. */
  #nextWord(): number {
    this.#frameSize += 8;
    return this.#frameSize - 8;
  }

  #place(): StackPlace {
    return rememberedAt(this.#nextWord());
  }

  #placeOfCarried(phi: Value): StackPlace {
    return phi.type === "int" && this.#decisive.has(phi) ? forgottenAt(this.#nextWord(), phi) : this.#place();
  }

  /** What the verifier must be told again about a value that it was made to forget; `null` when there is nothing. */
  #forgottenBound(value: Value): bigint | null {
    const most = this.#bounds.get(value);
    const place = this.#places.get(value);
    if (most === undefined || place === undefined || (place.size === 8 && !place.halves)) return null;
    const { size } = place;
    return most < maskOf(size * 8) ? most : null;
  }

  #write(block: Block, frame: Value, place: StackPlace, value: Value): void {
    writePlace((instruction) => this.#emit(block, instruction), frame, place, value);
  }

  #store(block: Block, frame: Value, what: Value, value: Value): void {
    this.#write(block, frame, this.#places.get(what) as StackPlace, value);
  }

  #load(block: Block, frame: Value, what: Value): Value {
    const place = this.#places.get(what) as StackPlace;
    return readPlace((instruction) => this.#emit(block, instruction), frame, place, what.type);
  }

  // -- what goes in and out --

  #isInside(value: Value): boolean {
    return this.#home.get(value) !== undefined;
  }

  #homes: Map<Value, Block> | null = null;

  /** The loop's block that computes each value of the loop. */
  get #home(): Map<Value, Block> {
    if (this.#homes === null) {
      this.#homes = new Map();
      for (const block of this.#loop.blocks) for (const value of block.instructions) this.#homes.set(value, block);
    }
    return this.#homes;
  }

  /** Integers that every round changes by the same constant. */
  #counters(): Counter[] {
    const { header, latches } = this.#loop;
    return phisOf(header).flatMap((phi): Counter[] => {
      const next = new Set<Value>();
      const start = new Set<Value>();
      for (const [index, block] of header.predecessors.entries()) {
        (latches.includes(block) ? next : start).add(phi.args[index] as Value);
      }
      const [only, other] = next;
      const [first, second] = start;
      if (phi.type !== "int" || only?.op !== "add" || other !== undefined) return [];
      // Of several starts a phi is made, which is as good; only this many are looked for.
      if (first === undefined || second !== undefined) return [];
      const [left, right] = only.args as [Value, Value];
      const step = left === phi ? right : left;
      if ((left !== phi && right !== phi) || step.op !== "const") return [];
      return [{ phi, start: first, step: step.value }];
    });
  }

  /** Makes all that entered the loop enter the call's block; gives the phis' first values there. */
  #enterSite(): Map<Value, Value> {
    const { header, latches } = this.#loop;
    const outside = header.predecessors.flatMap((block, index) => (latches.includes(block) ? [] : [{ block, index }]));
    const starts = new Map<Value, Value>();
    for (const phi of phisOf(header)) {
      const args = outside.map(({ index }) => phi.args[index] as Value);
      const [first] = args;
      if (first === undefined) throw new Error("a loop that nothing enters");
      if (args.every((argument) => argument === first)) starts.set(phi, first);
      else starts.set(phi, this.#emit(this.#site, { op: "phi", type: phi.type, args }));
    }
    for (const { block } of outside) {
      block.terminator.targets.forEach((target, which) => {
        if (target === header) block.terminator.targets[which] = this.#site;
      });
    }
    this.#site.predecessors = outside.map(({ block }) => block);
    for (const { index } of outside.toReversed()) removeIncoming(header, index);
    this.#fn.blocks.splice(this.#fn.blocks.indexOf(header), 0, this.#site);
    return starts;
  }

  /** What the loop uses and does not compute, with a place for each; what costs nothing is made again inside. */
  #liveIn(counters: readonly Counter[]): Value[] {
    const used = new Set<Value>();
    const use = (value: Value): void => {
      if (!this.#isInside(value)) used.add(value);
    };
    for (const block of this.#loop.blocks) {
      for (const instruction of block.instructions) {
        if (counters.some(({ phi }) => phi === instruction)) continue;
        for (const value of instruction.args) use(value);
      }
      for (const value of block.terminator.args) use(value);
    }
    for (const { start } of counters) use(start);
    const own = this.#ownSlots(used);
    const kept: Value[] = [];
    for (const value of used) {
      if (this.#again(value, own)) continue;
      this.#places.set(value, this.#place());
      kept.push(value);
    }
    return kept;
  }

  /** Slots that only the loop uses move into the callback; others become a part of the frame. */
  #ownSlots(used: ReadonlySet<Value>): Set<Value> {
    const outside = new Set<Value>();
    for (const block of this.#fn.blocks) {
      if (this.#loop.blocks.has(block)) continue;
      for (const instruction of block.instructions) {
        // A place in a slot that is computed outside and used inside only is no use.
        const inner = isPlaceInSlot(instruction) && used.has(instruction) ? [] : instruction.args;
        for (const value of inner) outside.add(value);
      }
      for (const value of block.terminator.args) outside.add(value);
    }
    const slots = new Set([...used].flatMap((value) => slotOf(value) ?? []));
    return new Set([...slots].filter((slot) => !this.#escapesFrom(slot, outside)));
  }

  #escapesFrom(slot: Value, outside: ReadonlySet<Value>): boolean {
    if (outside.has(slot)) return true;
    return this.#fn.blocks.some((block) =>
      block.instructions.some((value) => isPlaceInSlot(value) && slotOf(value) === slot && outside.has(value)),
    );
  }

  /** Makes `value` in the callback's first block, if it needs no register to come there. */
  #again(value: Value, own: ReadonlySet<Value>): boolean {
    if (this.#inside.has(value)) return true;
    // A slot that has just become a part of the frame stands behind places in it.
    if (value === this.#frame) {
      this.#inside.set(value, this.#frameInside);
      return true;
    }
    switch (value.op) {
      case "const":
      case "map":
      case "data":
      case "function":
        this.#inside.set(value, this.#emit(this.#entry, { ...value, args: [] }));
        return true;
      case "slot": {
        if (own.has(value)) {
          this.#inside.set(value, this.#emit(this.#entry, { ...value, args: [] }));
          return true;
        }
        const offset = this.#merged(value);
        const distance = this.#constant(this.#entry, BigInt(offset));
        this.#inside.set(value, this.#emit(this.#entry, { op: "add", type: "ptr", args: [this.#frameInside, distance] }));
        return true;
      }
      default: {
        const [base, distance] = value.args;
        if (!isPlaceInSlot(value) || base === undefined || distance?.op !== "const") return false;
        this.#again(base, own);
        const inner = this.#inside.get(base) as Value;
        const constant = this.#constant(this.#entry, distance.value);
        this.#inside.set(value, this.#emit(this.#entry, { op: "add", type: "ptr", args: [inner, constant] }));
        return true;
      }
    }
  }

  /** Makes the slot a part of the frame, so that its address needs no place of its own; gives where. */
  #merged(slot: Value & { op: "slot" }): number {
    const offset = this.#frameSize;
    this.#frameSize += Math.ceil(slot.size / 8) * 8;
    const entry = this.#fn.blocks[0] as Block;
    const distance = this.#make({ op: "const", type: "int", args: [], value: BigInt(offset) });
    entry.instructions.splice(entry.instructions.indexOf(this.#frame) + 1, 0, distance);
    // The slot itself becomes the address in the frame, wherever it stands.
    const home = this.#fn.blocks.find((block) => block.instructions.includes(slot));
    const address = this.#make({ op: "add", type: "ptr", args: [this.#frame, distance] });
    if (home === undefined) throw new Error("a slot is nowhere");
    home.instructions[home.instructions.indexOf(slot)] = address;
    for (const block of this.#fn.blocks) {
      if (this.#loop.blocks.has(block)) continue;
      for (const user of [...block.instructions, block.terminator]) {
        for (const [index, value] of user.args.entries()) if (value === slot) user.args[index] = address;
      }
    }
    return offset;
  }

  /** The loop's values that are used behind it, with a place for each. */
  #liveOut(): Value[] {
    const result = new Set<Value>();
    for (const block of this.#fn.blocks) {
      if (this.#loop.blocks.has(block)) continue;
      for (const instruction of block.instructions) {
        for (const [index, value] of instruction.args.entries()) {
          // What a phi takes from one of the loop's blocks is that way out's business.
          const from = instruction.op === "phi" ? block.predecessors[index] : undefined;
          if (this.#isInside(value) && (from === undefined || !this.#loop.blocks.has(from))) result.add(value);
        }
      }
      for (const value of block.terminator.args) if (this.#isInside(value)) result.add(value);
    }
    return [...result];
  }

  // -- the ways out --

  /** Ways out that bring the same to the same block are one. */
  #groupedExits(): Exit[][] {
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

  /** The values that must be in the frame when the loop is left by `exits`. */
  #leavingBy(exits: readonly Exit[], liveOut: readonly Value[]): Value[] {
    const dominating = liveOut.filter((value) =>
      exits.every(({ from }) => this.#dominators.dominates(this.#home.get(value) as Block, from)),
    );
    const [first] = exits as [Exit];
    const index = edgeIndex(first.from, first.which);
    const brought = phisOf(first.target)
      .map((phi) => phi.args[index] as Value)
      .filter((value) => this.#isInside(value));
    return [...new Set([...dominating, ...brought])];
  }

  readonly #leaving = new Map<readonly Exit[], Value[]>();

  /** Behind the call: a block for each way out that reads what it brings. Gives where each of the loop's values is then. */
  #dispatch(groups: readonly Exit[][], liveOut: readonly Value[]): Map<Value, Map<Block, Value>> {
    const definitions = new Map<Value, Map<Block, Value>>(liveOut.map((value) => [value, new Map()]));
    const after = this.#site;
    const exitCode = this.#read(after);
    const never = this.#newBlock();
    let at = after;
    const made: Block[] = [];
    groups.forEach((exits, number) => {
      const landing = this.#newBlock();
      const next = this.#newBlock();
      const isThis = this.#emit(at, { op: "eq", type: "bool", args: [exitCode, this.#constant(at, BigInt(number + 1))] });
      this.#branch(at, isThis, landing, next);
      const leaving = this.#leavingBy(exits, liveOut);
      this.#leaving.set(exits, leaving);
      made.push(landing);
      const loaded = new Map<Value, Value>();
      for (const value of leaving) {
        // What needs nothing to be made is made again.
        if (value.args.length === 0 && value.op !== "phi") {
          loaded.set(value, this.#emit(landing, { ...value, args: [] }));
          continue;
        }
        if (!this.#places.has(value)) this.#places.set(value, this.#place());
        loaded.set(value, this.#load(landing, this.#frame, value));
      }
      let end = landing;
      for (const [value, copy] of loaded) {
        const most = this.#exitBounds.get(exits)?.get(value) ?? this.#forgottenBound(value);
        if (most === null) continue;
        const good = this.#newBlock();
        const isTooLarge = this.#emit(end, { op: "ugt", type: "bool", args: [copy, this.#constant(end, most)] });
        this.#branch(end, isTooLarge, never, good);
        made.push(good);
        end = good;
      }
      for (const [value, copy] of loaded) definitions.get(value)?.set(end, copy);
      const [{ from, which, target }] = exits as [Exit];
      const index = edgeIndex(from, which);
      const brought = phisOf(target).map((phi) => phi.args[index] as Value);
      end.terminator = { op: "jump", args: [], targets: [target], span: this.#span };
      let phi = 0;
      addIncoming(target, end, () => {
        const value = brought[phi++] as Value;
        return loaded.get(value) ?? value;
      });
      made.push(next);
      at = next;
    });
    // No round has left the loop, or a number is none that it can be: that does not happen, but the verifier asks.
    this.#jump(at, never);
    this.#return(never, 0n);
    made.push(never);
    this.#fn.blocks.splice(this.#fn.blocks.indexOf(after) + 1, 0, ...made);
    for (const exits of groups) {
      for (const { from, target } of exits) removeIncoming(target, target.predecessors.indexOf(from));
    }
    return definitions;
  }

  #read(block: Block): Value {
    const { offset, size } = this.#exitPlace;
    return this.#emit(block, { op: "load", type: "int", args: [this.#frame], size, offset, region: "stack" });
  }

  // -- the callback --

  #prologue(liveIn: readonly Value[], carried: readonly Value[], counters: readonly Counter[]): void {
    let block = this.#entry;
    const stop = this.#newBlock();
    const goOnUnless = (condition: Value): void => {
      const next = this.#newBlock();
      this.#branch(block, condition, stop, next);
      this.#callback.blocks.push(next);
      block = next;
    };
    // After the round that left the loop there is none, which the verifier does not know.
    const { offset, size } = this.#exitPlace;
    const exitCode = this.#emit(block, {
      op: "load",
      type: "int",
      args: [this.#frameInside],
      size,
      offset,
      region: "stack",
    });
    goOnUnless(this.#emit(block, { op: "ne", type: "bool", args: [exitCode, this.#constant(block, 0n)] }));
    if (counters.length > 0) {
      const count = this.#constant(block, BigInt(this.#rounds));
      goOnUnless(this.#emit(block, { op: "uge", type: "bool", args: [this.#round, count] }));
    }
    for (const value of [...liveIn, ...carried]) this.#inside.set(value, this.#load(block, this.#frameInside, value));
    for (const phi of carried) {
      const most = this.#forgottenBound(phi);
      if (most === null) continue;
      const inside = this.#inside.get(phi) as Value;
      goOnUnless(this.#emit(block, { op: "ugt", type: "bool", args: [inside, this.#constant(block, most)] }));
    }
    for (const { phi, start, step } of counters) {
      const first = this.#inside.get(start) ?? start;
      // Up or down by what has no sign, since the verifier carries a range through that.
      const size = this.#constant(block, step < 0n ? -step : step);
      const distance = this.#emit(block, { op: "mul", type: "int", args: [this.#round, size] });
      const value: Fresh<Instruction> =
        step < 0n ? { op: "sub", type: "int", args: [first, distance] } : { op: "add", type: "int", args: [distance, first] };
      this.#inside.set(phi, this.#emit(block, value));
    }
    if (stop.predecessors.length > 0) {
      this.#return(stop, 1n);
      this.#callback.blocks.push(stop);
    }
    const { header } = this.#loop;
    for (const index of [...header.predecessors.keys()].toReversed()) header.predecessors.splice(index, 1);
    this.#jump(block, header);
  }

  /** The loop's blocks become the callback's; each jump back to the header, and each way out, becomes a return. */
  #takeBlocks(carried: readonly Value[], groups: readonly Exit[][]): void {
    const { header, blocks, latches } = this.#loop;
    header.instructions = header.instructions.filter((instruction) => instruction.op !== "phi");
    this.#callback.blocks.push(...this.#fn.blocks.filter((block) => blocks.has(block)));
    // The phis' arguments stand in the order of the jumps back.
    latches.forEach((latch, index) => {
      const next = this.#newBlock();
      for (const phi of carried) {
        const value = phi.args[index] as Value;
        if (value !== phi) this.#store(next, this.#frameInside, phi, value);
      }
      this.#return(next, 0n);
      const targets: Block[] = latch.terminator.targets;
      targets[targets.indexOf(header)] = next;
      next.predecessors.push(latch);
      this.#callback.blocks.push(next);
    });
    groups.forEach((exits, number) => {
      const out = this.#newBlock();
      for (const value of this.#leaving.get(exits) ?? []) {
        // What a round reads at its start is still there.
        if (!carried.includes(value) && this.#places.has(value)) this.#store(out, this.#frameInside, value, value);
      }
      this.#write(out, this.#frameInside, this.#exitPlace, this.#constant(out, BigInt(number + 1)));
      this.#return(out, 1n);
      for (const { from, which } of exits) {
        from.terminator.targets[which] = out;
        out.predecessors.push(from);
      }
      this.#callback.blocks.push(out);
    });
    const inside = (value: Value): Value => this.#inside.get(value) ?? value;
    for (const block of this.#callback.blocks) {
      if (block === this.#entry) continue;
      for (const user of [...block.instructions, block.terminator]) {
        for (const [index, value] of user.args.entries()) user.args[index] = inside(value);
      }
    }
  }
}

function isPlaceInSlot(value: Value): boolean {
  return value.op === "add" && value.args[1]?.op === "const" && slotOf(value) !== null;
}

/** The slot that an address is in, when it is a constant distance from its start. */
function slotOf(value: Value): Value | null {
  if (value.op === "slot") return value;
  const [base, distance] = value.args;
  return value.op === "add" && base !== undefined && distance?.op === "const" ? slotOf(base) : null;
}
