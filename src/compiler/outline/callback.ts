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
import { blockOf } from "../ir/block-of.ts";
import { Dominators } from "../ir/dominators.ts";
import { phisOf, removeIncoming } from "../ir/edges.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { findLoops, type NaturalLoop } from "../ir/loops.ts";
import { rejoin } from "../ir/rejoin.ts";
import { isComparedIn } from "./apart.ts";
import { CodeWriter } from "./code-writer.ts";
import { compareAnew } from "./compare-anew.ts";
import { boundsInside, boundsOf, type Counter, countersOf } from "./counters.ts";
import { decisiveValues } from "./decisive.ts";
import { LoopFrame } from "./loop-frame.ts";
import { numberAddresses } from "./numbered-addresses.ts";
import { enterFromOneBlock } from "./preheader.ts";
import { provingValues } from "./proving.ts";
import { RemadeValues } from "./remade-values.ts";
import { computePlacesBefore } from "./slot-places.ts";
import type { Fresh } from "./stack-place.ts";
import { WaysOut } from "./ways-out.ts";

/** BPF_MAX_LOOPS */
export const MOST_ROUNDS = 1 << 23;

export interface Callback {
  /** Runs one round. */
  function: Function;
  /** Where in the frame numbers are that must be untied once the passes are through (`apart.ts`). */
  tied: ReadonlySet<number>;
  /** Where in the frame words are that no round changes. */
  lasting: ReadonlySet<number>;
}

/** Moves `loop` out of `fn`. `rounds` is at least how often the loop's body begins. */
export function outline(fn: Function, loop: NaturalLoop, name: string, rounds: number): Callback {
  enterFromOneBlock(fn, loop);
  numberAddresses(fn, loop);
  computePlacesBefore(fn, loop.blocks);
  compareAnew(fn, loop.blocks);
  return new Outlining(fn, loop, name, Math.min(rounds, MOST_ROUNDS)).run();
}

class Outlining {
  readonly #fn: Function;
  readonly #loop: NaturalLoop;
  readonly #rounds: number;
  readonly #callback: Function;
  readonly #code: CodeWriter;
  readonly #frame: LoopFrame;
  /** The frame's address in the caller. */
  readonly #slot: Value & { op: "slot" };
  /** The callback's first block, and the frame's address and the round's number in it. */
  readonly #entry: Block;
  readonly #frameInside: Value;
  readonly #round: Value;
  /** In the caller, where the kernel is called. */
  readonly #site: Block;
  /** The loop's block that computes each value of the loop. */
  readonly #home = new Map<Value, Block>();
  readonly #proving: ReadonlySet<Value>;
  /** The loop around all loops that this one is in; undefined when it is in none. */
  readonly #outermost: NaturalLoop | undefined;

  constructor(fn: Function, loop: NaturalLoop, name: string, rounds: number) {
    this.#fn = fn;
    this.#loop = loop;
    this.#rounds = rounds;
    const { header } = loop;
    const span = header.instructions.find((instruction) => instruction.span !== null)?.span ?? header.terminator.span;
    this.#code = new CodeWriter(fn.nextId, span);
    this.#frame = new LoopFrame(this.#code, decisiveValues(fn));
    this.#proving = provingValues(fn);
    this.#outermost = findLoops(new Dominators(fn)).find((each) => each.header !== header && each.blocks.has(header));
    this.#entry = this.#code.newBlock();
    this.#callback = { name, blocks: [this.#entry], nextId: fn.nextId };
    this.#round = this.#code.emit(this.#entry, { op: "argument", type: "int", args: [], index: 0 });
    this.#frameInside = this.#code.emit(this.#entry, { op: "argument", type: "ptr", args: [], index: 1, align: 8 });
    const slot = this.#code.make({ op: "slot", type: "ptr", args: [], size: 0, align: 8 });
    if (slot.op !== "slot") throw new Error("a slot is a slot");
    this.#slot = slot;
    fn.blocks[0]?.instructions.unshift(slot);
    this.#site = this.#code.newBlock();
    for (const block of loop.blocks) for (const value of block.instructions) this.#home.set(value, block);
  }

  run(): Callback {
    const { header, blocks } = this.#loop;
    const counters = countersOf(this.#loop);
    const counted = new Map([...boundsInside(this.#loop), ...boundsOf(counters, this.#rounds)]);
    const ways = new WaysOut(this.#code, this.#fn, this.#loop, this.#home, counted);
    const carried = phisOf(header).filter((phi) => !counters.some((counter) => counter.phi === phi));
    for (const phi of carried) this.#frame.carry(phi);
    const starts = this.#enterSite();
    const used = this.#used(counters);
    const sides = { frame: this.#frame, slot: this.#slot, entry: this.#entry, address: this.#frameInside };
    const remade = new RemadeValues(this.#code, this.#fn, blocks, sides, used);
    const liveIn: Value[] = [];
    const tied = new Set<number>();
    for (const value of used) {
      if (remade.again(value)) continue;
      this.#frame.keep(value);
      liveIn.push(value);
      const proves = value.type === "int" && this.#proving.has(value);
      if (proves && isComparedIn(this.#loop, value)) tied.add(this.#frame.offset(value));
    }

    // The caller: fill the frame, call, and go where the loop went.
    const site = this.#site;
    this.#frame.setExit(site, this.#slot, 0);
    for (const phi of carried) this.#frame.store(site, this.#slot, phi, starts.get(phi) as Value);
    for (const value of liveIn) this.#putIn(value);
    const callback = this.#code.emit(site, { op: "function", type: "ptr", args: [], name: this.#callback.name });
    const count = this.#code.constant(site, BigInt(this.#rounds));
    const none = this.#code.constant(site, 0n);
    this.#code.emit(site, { op: "call", type: "int", args: [count, callback, this.#slot, none], helper: HELPER.loop });
    const landings = ways.dispatch(site, this.#frame, this.#slot);

    // The callback: one round.
    this.#prologue(liveIn, carried, counters, remade.inside);
    this.#takeBlocks(carried, ways, remade.inside);
    this.#fn.blocks = this.#fn.blocks.filter((block) => !blocks.has(block));
    this.#fn.nextId = this.#code.nextId;
    for (const [value, definitions] of landings) rejoin(this.#fn, value, definitions);
    this.#callback.nextId = this.#fn.nextId;
    this.#slot.size = this.#frame.size;
    const lasting = new Set(liveIn.map((value) => this.#frame.offset(value)));
    return { function: this.#callback, tied, lasting };
  }

  /**
   * Puts what was computed before the loop into the frame: at the call, or, what may be an address on the stack of whoever called the function, where
   * it was computed. The loop around this one may become a callback too, and then the frame is on the stack of its caller, where the verifier lets
   * it write no such address.
   */
  #putIn(value: Value): void {
    const home = blockOf(this.#fn, value);
    const isEarly = isPassed(value) && this.#outermost?.blocks.has(home) === false;
    if (!isEarly) return this.#frame.store(this.#site, this.#slot, value, value);
    const scratch = this.#code.newBlock();
    this.#frame.store(scratch, this.#slot, value, value);
    home.instructions.splice(home.instructions.indexOf(value) + 1, 0, ...scratch.instructions);
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
      else starts.set(phi, this.#code.emit(this.#site, { op: "phi", type: phi.type, args }));
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

  /** What the loop uses and does not compute. */
  #used(counters: readonly Counter[]): Set<Value> {
    const used = new Set<Value>();
    const use = (value: Value): void => {
      if (!this.#home.has(value)) used.add(value);
    };
    for (const block of this.#loop.blocks) {
      for (const instruction of block.instructions) {
        if (counters.some(({ phi }) => phi === instruction)) continue;
        for (const value of instruction.args) use(value);
      }
      for (const value of block.terminator.args) use(value);
    }
    for (const { start } of counters) use(start);
    return used;
  }

  /** Ends the rounds where there is none, and brings what a round needs out of the frame. */
  #prologue(
    liveIn: readonly Value[],
    carried: readonly Value[],
    counters: readonly Counter[],
    inside: Map<Value, Value>,
  ): void {
    const code = this.#code;
    let block = this.#entry;
    const stop = code.newBlock();
    const goOnUnless = (condition: Value): void => {
      const next = code.newBlock();
      code.branch(block, condition, stop, next);
      this.#callback.blocks.push(next);
      block = next;
    };
    // After the round that left the loop there is none, which the verifier does not know.
    const exitCode = this.#frame.exit(block, this.#frameInside);
    goOnUnless(code.emit(block, { op: "ne", type: "bool", args: [exitCode, code.constant(block, 0n)] }));
    if (counters.length > 0) {
      const count = code.constant(block, BigInt(this.#rounds));
      goOnUnless(code.emit(block, { op: "uge", type: "bool", args: [this.#round, count] }));
    }
    for (const value of [...liveIn, ...carried]) inside.set(value, this.#frame.load(block, this.#frameInside, value));
    for (const phi of carried) {
      const most = this.#frame.forgottenBound(phi);
      if (most === null) continue;
      const copy = inside.get(phi) as Value; // made above
      goOnUnless(code.emit(block, { op: "ugt", type: "bool", args: [copy, code.constant(block, most)] }));
    }
    for (const { phi, start, step } of counters) {
      const first = inside.get(start) ?? start;
      // Up or down by what has no sign, since the verifier carries a range through that.
      const size = code.constant(block, step < 0n ? -step : step);
      const distance = code.emit(block, { op: "mul", type: "int", args: [this.#round, size] });
      const value: Fresh<Instruction> =
        step < 0n ? { op: "sub", type: "int", args: [first, distance] } : { op: "add", type: "int", args: [distance, first] };
      inside.set(phi, code.emit(block, value));
    }
    if (stop.predecessors.length > 0) {
      code.return(stop, 1n);
      this.#callback.blocks.push(stop);
    }
    const { header } = this.#loop;
    for (const index of [...header.predecessors.keys()].toReversed()) header.predecessors.splice(index, 1);
    code.jump(block, header);
  }

  /** The loop's blocks become the callback's; each jump back to the header, and each way out, becomes a return. */
  #takeBlocks(carried: readonly Value[], ways: WaysOut, inside: ReadonlyMap<Value, Value>): void {
    const { header, blocks, latches } = this.#loop;
    header.instructions = header.instructions.filter((instruction) => instruction.op !== "phi");
    this.#callback.blocks.push(...this.#fn.blocks.filter((block) => blocks.has(block)));
    // The phis' arguments stand in the order of the jumps back.
    latches.forEach((latch, index) => {
      const next = this.#code.newBlock();
      for (const phi of carried) {
        const value = phi.args[index] as Value;
        if (value !== phi) this.#frame.store(next, this.#frameInside, phi, value);
      }
      this.#code.return(next, 0n);
      const targets: Block[] = latch.terminator.targets;
      targets[targets.indexOf(header)] = next;
      next.predecessors.push(latch);
      this.#callback.blocks.push(next);
    });
    this.#callback.blocks.push(...ways.returns(carried, this.#frame, this.#frameInside));
    for (const block of this.#callback.blocks) {
      if (block === this.#entry) continue;
      for (const user of [...block.instructions, block.terminator]) {
        for (const [index, value] of user.args.entries()) user.args[index] = inside.get(value) ?? value;
      }
    }
  }
}

/** What the function was given, or an address made of it. */
function isPassed(value: Value): boolean {
  if (value.op === "argument") return value.type === "ptr";
  return value.op === "add" && value.type === "ptr" && value.args.some(isPassed);
}
