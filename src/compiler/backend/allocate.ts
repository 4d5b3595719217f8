/**
 * Register allocation by graph colouring with coalescing. Source: George & Appel, "Iterated Register Coalescing" (1996). Nodes 0 to 9
 * are the machine's registers, which is how arguments, results and what calls destroy enter the graph; r10 never does.
 *
 * After a round that must spill, `spill.ts` rewrites the function and the graph is built anew. Ties are broken by number, so the
 * result depends on the input only.
 */
import { liveness, walkBackwards } from "./liveness.ts";
import { markLoops } from "./loops.ts";
import {
  COLOURS,
  FIRST_VIRTUAL,
  FRAME_POINTER,
  forEachRead,
  forEachWrite,
  LAST_ALLOCATABLE,
  type MachineFunction,
  type Register,
  renameReads,
  renameWrite,
} from "./machine.ts";
import { Spiller } from "./spill.ts";

/**
 * Registers that calls destroy come first: what lives across a call cannot have them anyway. r0 late among them, it soon gets a result;
 * r5 behind it, since on x86-64 its number needs a prefix everywhere.
 */
const PREFERENCE: readonly Register[] = [1, 2, 3, 4, 0, 5, 6, 7, 8, 9];

/**
 * Replaces every virtual register by one of r0 to r9, with spills to new stack slots where they do not suffice. `lasting`: as in
 * `GenerateOptions`.
 */
export function allocate(fn: MachineFunction, lasting?: ReadonlySet<number>): void {
  markLoops(fn);
  const spiller = new Spiller(fn, lasting);
  for (;;) {
    const round = new Round(fn, spiller.costs());
    const spilled = round.run();
    if (spilled.length === 0) return round.assign();
    spiller.spill(spilled, (register) => round.representative(register));
  }
}

/** Of the machine's registers, which are never taken out of the graph. */
const INFINITE_DEGREE = 0x3fff_ffff;

interface Move {
  left: Register;
  right: Register;
  weight: number;
}

class Round {
  readonly #fn: MachineFunction;
  readonly #cost: Float64Array;
  readonly #neighbours: Set<Register>[];
  readonly #degree: Int32Array;
  readonly #alias: Int32Array;
  readonly #colour: Int8Array;
  /** Moves of a node that may still be coalesced. */
  readonly #moves: Set<Move>[];
  readonly #present: boolean[] = [];
  readonly #stack: Register[] = [];
  readonly #stacked: boolean[] = [];
  readonly #coalesced: boolean[] = [];
  readonly #simplify = new Set<Register>();
  readonly #freeze = new Set<Register>();
  readonly #spill = new Set<Register>();
  /** Copies to try next. Empty whenever a copy is given up. */
  #pending: Move[] = [];
  readonly #waiting = new Set<Move>();
  /** Partners of copies that stay: a hint for the colour. */
  readonly #hints: Set<Register>[];

  constructor(fn: MachineFunction, cost: Float64Array) {
    const count = fn.nextRegister;
    this.#fn = fn;
    this.#cost = cost;
    this.#neighbours = Array.from({ length: count }, () => new Set<Register>());
    this.#moves = Array.from({ length: count }, () => new Set<Move>());
    this.#hints = Array.from({ length: count }, () => new Set<Register>());
    this.#degree = new Int32Array(count);
    this.#alias = Int32Array.from({ length: count }, (_, index) => index);
    this.#colour = new Int8Array(count).fill(-1);
    for (let register = 0; register < COLOURS; register++) {
      this.#colour[register] = register;
      this.#degree[register] = INFINITE_DEGREE;
    }
  }

  /** The representatives of the nodes that found no colour. */
  run(): Register[] {
    this.#build();
    this.#fillWorklists();
    for (;;) {
      const simple = first(this.#simplify);
      if (simple !== undefined) {
        this.#simplify.delete(simple);
        this.#push(simple);
        continue;
      }
      const move = this.#pending.pop();
      if (move !== undefined) {
        this.#coalesce(move);
        continue;
      }
      const frozen = this.#cheapest(this.#freeze);
      if (frozen !== undefined) {
        this.#freeze.delete(frozen);
        this.#simplify.add(frozen);
        this.#freezeMoves(frozen);
        continue;
      }
      const candidate = this.#cheapest(this.#spill);
      if (candidate === undefined) break;
      this.#spill.delete(candidate);
      this.#simplify.add(candidate);
      this.#freezeMoves(candidate);
    }
    return this.#select();
  }

  representative(register: Register): Register {
    let result = register;
    while (this.#coalesced[result]) result = this.#alias[result] as Register;
    return result;
  }

  #interfere(left: Register, right: Register): boolean {
    return this.#at(this.#neighbours, left).has(right);
  }

  /** Writes the colours into the function and drops the copies that have become empty. */
  assign(): void {
    const colour = (register: Register): Register =>
      register < FIRST_VIRTUAL ? register : (this.#colour[this.representative(register)] as Register);
    for (const block of this.#fn.blocks) {
      for (const instruction of block.instructions) {
        renameReads(instruction, colour);
        renameWrite(instruction, colour);
      }
      renameReads(block.terminator, colour);
      block.instructions = block.instructions.filter(
        (instruction) => instruction.op !== "mov" || instruction.dst !== instruction.src,
      );
    }
    this.#fn.nextRegister = FIRST_VIRTUAL;
  }

  // Every index below is a register of this function, so the element is there.
  #at<T>(list: readonly T[], index: number): T {
    return list[index] as T;
  }

  #build(): void {
    const { liveOut } = liveness(this.#fn);
    const moves: Move[] = [];
    for (const block of this.#fn.blocks) {
      const weight = 10 ** block.depth;
      const visitPresent = (register: Register): void => {
        if (register >= FIRST_VIRTUAL) this.#present[register] = true;
      };
      forEachRead(block.terminator, visitPresent);
      walkBackwards(block, liveOut(block), (index, live) => {
        const instruction = block.instructions[index];
        if (instruction === undefined) return;
        forEachRead(instruction, visitPresent);
        let source = -1;
        if (instruction.op === "mov" && instruction.src !== FRAME_POINTER) {
          source = instruction.src;
          const move = { left: instruction.dst, right: source, weight };
          moves.push(move);
          this.#at(this.#moves, instruction.dst).add(move);
          this.#at(this.#moves, source).add(move);
        }
        forEachWrite(instruction, (register) => {
          visitPresent(register);
          live.forEach((other) => {
            if (other !== source) this.#connect(register, other);
          });
        });
      });
    }
    // Taken from the end: the copies that are executed most often come first.
    this.#pending = moves.sort((a, b) => a.weight - b.weight);
  }

  #connect(left: Register, right: Register): void {
    if (left === right || this.#at(this.#neighbours, left).has(right)) return;
    this.#at(this.#neighbours, left).add(right);
    this.#at(this.#neighbours, right).add(left);
    if (left >= FIRST_VIRTUAL) this.#degree[left] = (this.#degree[left] as number) + 1;
    if (right >= FIRST_VIRTUAL) this.#degree[right] = (this.#degree[right] as number) + 1;
  }

  #fillWorklists(): void {
    for (let register = FIRST_VIRTUAL; register < this.#fn.nextRegister; register++) {
      if (!this.#present[register]) continue;
      if ((this.#degree[register] as number) >= COLOURS) this.#spill.add(register);
      else if (this.#isMoveRelated(register)) this.#freeze.add(register);
      else this.#simplify.add(register);
    }
  }

  #isMoveRelated(register: Register): boolean {
    return this.#at(this.#moves, register).size > 0;
  }

  /** Neighbours still in the graph. */
  *#adjacent(register: Register): Generator<Register> {
    for (const other of this.#at(this.#neighbours, register)) if (!this.#stacked[other] && !this.#coalesced[other]) yield other;
  }

  #push(register: Register): void {
    this.#stack.push(register);
    this.#stacked[register] = true;
    for (const other of this.#adjacent(register)) this.#decrement(other);
  }

  #decrement(register: Register): void {
    if (register < FIRST_VIRTUAL) return;
    const degree = this.#degree[register] as number;
    this.#degree[register] = degree - 1;
    if (degree !== COLOURS) return;
    this.#enable(register);
    for (const other of this.#adjacent(register)) this.#enable(other);
    this.#spill.delete(register);
    if (this.#isMoveRelated(register)) this.#freeze.add(register);
    else this.#simplify.add(register);
  }

  /** A copy that was refused may be possible now. */
  #enable(register: Register): void {
    for (const move of this.#at(this.#moves, register)) if (this.#waiting.delete(move)) this.#pending.push(move);
  }

  #coalesce(move: Move): void {
    const left = this.representative(move.left);
    const right = this.representative(move.right);
    const [keep, merge] = right < FIRST_VIRTUAL ? [right, left] : [left, right];
    if (keep === merge) {
      this.#forget(move);
      this.#settle(keep);
    } else if (merge < FIRST_VIRTUAL || this.#interfere(keep, merge)) {
      this.#forget(move);
      this.#settle(keep);
      this.#settle(merge);
    } else if (keep < FIRST_VIRTUAL ? this.#safeWithMachine(keep, merge) : this.#safe(keep, merge)) {
      this.#forget(move);
      this.#merge(keep, merge);
      this.#settle(keep);
    } else this.#waiting.add(move);
  }

  #forget(move: Move): void {
    for (const register of [move.left, move.right]) {
      this.#at(this.#moves, register).delete(move);
      this.#at(this.#moves, this.representative(register)).delete(move);
    }
  }

  #settle(register: Register): void {
    if (register < FIRST_VIRTUAL || this.#isMoveRelated(register) || (this.#degree[register] as number) >= COLOURS) return;
    if (this.#freeze.delete(register)) this.#simplify.add(register);
  }

  /** George's test: every neighbour of `merge` is harmless to `keep`. */
  #safeWithMachine(keep: Register, merge: Register): boolean {
    for (const other of this.#adjacent(merge)) {
      if (other >= FIRST_VIRTUAL && (this.#degree[other] as number) >= COLOURS && !this.#interfere(other, keep)) return false;
    }
    return true;
  }

  /** Briggs' test: the merged node has fewer neighbours of high degree than there are colours. George's for virtual ones helps too. */
  #safe(keep: Register, merge: Register): boolean {
    let high = 0;
    for (const other of this.#adjacent(keep)) {
      const degree = (this.#degree[other] as number) - (this.#interfere(other, merge) && other >= FIRST_VIRTUAL ? 1 : 0);
      if (degree >= COLOURS) high++;
    }
    for (const other of this.#adjacent(merge)) {
      if (!this.#interfere(other, keep) && (this.#degree[other] as number) >= COLOURS) high++;
    }
    return high < COLOURS || this.#safeWithMachine(keep, merge) || this.#safeWithMachine(merge, keep);
  }

  #merge(keep: Register, merge: Register): void {
    this.#freeze.delete(merge);
    this.#spill.delete(merge);
    this.#coalesced[merge] = true;
    this.#alias[merge] = keep;
    this.#cost[keep] = sumOfFinite(this.#cost[keep] as number, this.#cost[merge] as number);
    for (const move of this.#at(this.#moves, merge)) this.#at(this.#moves, keep).add(move);
    this.#enable(merge);
    for (const hint of this.#at(this.#hints, merge)) this.#at(this.#hints, keep).add(hint);
    for (const other of this.#adjacent(merge)) {
      this.#connect(other, keep);
      this.#decrement(other);
    }
    if (keep >= FIRST_VIRTUAL && (this.#degree[keep] as number) >= COLOURS && this.#freeze.delete(keep)) this.#spill.add(keep);
  }

  #freezeMoves(register: Register): void {
    for (const move of [...this.#at(this.#moves, register)]) {
      const left = this.representative(move.left);
      const right = this.representative(move.right);
      const other = left === register ? right : left;
      this.#waiting.delete(move);
      this.#forget(move);
      this.#at(this.#hints, register).add(other);
      this.#at(this.#hints, other).add(register);
      this.#settle(other);
    }
  }

  /** Least cost for each neighbour freed; spill temporaries, of infinite cost, only when nothing else is left. */
  #cheapest(candidates: ReadonlySet<Register>): Register | undefined {
    let best: Register | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const register of candidates) {
      const cost = (this.#cost[register] as number) / ((this.#degree[register] as number) + 1);
      if (best === undefined || cost < least) [best, least] = [register, cost];
    }
    return best;
  }

  #select(): Register[] {
    const spilled: Register[] = [];
    for (let register = this.#stack.pop(); register !== undefined; register = this.#stack.pop()) {
      this.#stacked[register] = false;
      const taken = new Set<number>();
      for (const other of this.#at(this.#neighbours, register)) {
        // By its representative: what was on the stack already when a neighbour was merged has no edge to the merged node.
        const node = this.representative(other);
        if (!this.#stacked[node]) taken.add(this.#colour[node] as number);
      }
      const wanted = [...this.#at(this.#hints, register)].map((hint) => this.#colour[this.representative(hint)] as number);
      const colour = [...wanted, ...PREFERENCE].find((each) => each >= 0 && each <= LAST_ALLOCATABLE && !taken.has(each));
      if (colour === undefined) spilled.push(register);
      else this.#colour[register] = colour;
    }
    return spilled;
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const element of set) return element;
  return undefined;
}

/** A spill temporary, of infinite cost, that became one with a longer-lived register can be spilled as that one. */
function sumOfFinite(left: number, right: number): number {
  if (!Number.isFinite(left)) return right;
  return Number.isFinite(right) ? left + right : left;
}
