/**
 * Addresses on the stack that change from round to round, or come out of a loop, become numbers: how far they lie behind the start of a slot. The
 * verifier lets no function write an address of a stack into its caller's frame, which is where a loop that becomes a callback keeps such values.
 */
import { alignmentOf } from "../ir/alignment.ts";
import { blockOf } from "../ir/block-of.ts";
import { edgeIndex, phisOf, removeIncoming } from "../ir/edges.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { exitsOf, type NaturalLoop } from "../ir/loops.ts";
import { bitsBelow, upperBound } from "../ir/range.ts";
import { newBlockOnEdge } from "../ir/rejoin.ts";
import { replaceIn, replaceUses, type User } from "../ir/uses.ts";
import { removeDead } from "../passes/remove-dead.ts";
import { isPlaceInSlot } from "./slot-places.ts";
import { emitInto } from "./stack-place.ts";

const WORD = 8;

/** To be called before `loop` becomes a callback. What is at a constant distance from one slot needs no number, and is left. */
export function numberAddresses(fn: Function, loop: NaturalLoop): void {
  const carried = phisOf(loop.header).filter(isOnStack);
  const slots = new Set([...carried, ...addressesLeaving(fn, loop)].flatMap((value) => [...(rootsOf(value) ?? [])]));
  if (slots.size > 0) new Numbering(fn, loop, slots).run(carried);
}

function isOnStack(value: Value): boolean {
  return value.type === "ptr" && rootsOf(value) !== null;
}

/** The slots of which `value` may be a place; `null` when it may be something else. */
function rootsOf(value: Value, seen = new Set<Value>()): Set<Value> | null {
  if (value.op === "slot") return new Set([value]);
  if (seen.has(value)) return new Set();
  seen.add(value);
  const [base] = value.args;
  const origins = value.op === "phi" ? value.args : value.op === "add" && base !== undefined ? [base] : [];
  const found = origins.map((each) => rootsOf(each, seen));
  if (found.length === 0 || !found.every((each) => each !== null)) return null;
  return new Set(found.flatMap((each) => [...each]));
}

/** What the loop computes and others use, but for places in slots. */
function addressesLeaving(fn: Function, { blocks }: NaturalLoop): Instruction[] {
  const own = new Set([...blocks].flatMap(({ instructions }) => instructions.filter(({ type }) => type === "ptr")));
  const used = new Set<Value>();
  for (const block of fn.blocks) {
    if (blocks.has(block)) continue;
    for (const { args } of [...block.instructions, block.terminator]) for (const value of args) used.add(value);
  }
  return [...own].filter((value) => used.has(value) && isOnStack(value) && !isPlaceInSlot(value));
}

class Numbering {
  readonly #fn: Function;
  readonly #loop: NaturalLoop;
  /** What holds all slots whose addresses are counted from its start, and where each is. */
  readonly #whole: Instruction & { op: "slot" };
  readonly #offsets = new Map<Value, bigint>();
  /** The numbers made so far, by address. */
  readonly #numbers = new Map<Value, Value>();
  /** Bytes that the slots take. */
  readonly #size: number;

  constructor(fn: Function, loop: NaturalLoop, slots: ReadonlySet<Value>) {
    this.#fn = fn;
    this.#loop = loop;
    const all = [...slots].flatMap((slot) => (slot.op === "slot" ? [slot] : []));
    const sizes = all.map(({ size, counted = size }) => Math.ceil(counted / WORD) * WORD);
    const counted = sizes.reduce((sum, size) => sum + size, 0);
    this.#whole = { op: "slot", id: fn.nextId++, type: "ptr", args: [], size: counted, align: WORD, span: null, counted };
    let offset = 0;
    for (const [index, slot] of all.entries()) {
      this.#offsets.set(slot, BigInt(offset));
      offset += sizes[index] as number;
    }
    this.#size = counted;
  }

  run(carried: readonly Instruction[]): void {
    const { header } = this.#loop;
    // All numbers first: what is made of them below would be taken for addresses.
    for (const phi of carried) this.#numberOf(phi);
    for (const phi of carried) {
      const made: Instruction[] = [];
      const address = this.#addressAgain(phi, made);
      header.instructions.splice(phisOf(header).length, 0, ...made);
      header.instructions.splice(header.instructions.indexOf(phi), 1);
      replaceUses(this.#fn, phi, address);
      this.#numbers.set(address, this.#numberOf(phi));
    }
    const leaving = addressesLeaving(this.#fn, this.#loop);
    for (const value of leaving) this.#numberOf(value);
    this.#makeOnTheWayOut(leaving);
    for (const value of leaving) for (const block of this.#fn.blocks) this.#makeBehind(block, value);
    this.#placeSlots();
    // The addresses themselves, where nothing else uses them any more.
    removeDead(this.#fn);
  }

  /** How far the address lies behind the start of the whole: computed where the address is. */
  #numberOf(address: Value): Value {
    const known = this.#numbers.get(address);
    if (known !== undefined) return known;
    const block = blockOf(this.#fn, address);
    const at = () => block.instructions.indexOf(address);
    if (address.op === "phi") {
      const phi: Instruction = { op: "phi", id: this.#fn.nextId++, type: "int", args: [], span: address.span };
      this.#numbers.set(address, phi); // breaks cycles
      block.instructions.splice(at(), 0, phi);
      phi.args = address.args.map((each) => this.#numberOf(each));
      return phi;
    }
    const made: Instruction[] = [];
    const emit = emitInto(made, this.#fn, address.span);
    const offset = this.#offsets.get(address);
    const [base, distance] = address.args;
    const number =
      offset !== undefined || base === undefined || distance === undefined
        ? emit({ op: "const", type: "int", args: [], value: offset ?? 0n })
        : emit({ op: "add", type: "int", args: [this.#numberOf(base), distance] });
    block.instructions.splice(at() + 1, 0, ...made);
    this.#numbers.set(address, number);
    return number;
  }

  /**
   * The address of a number. The verifier has forgotten how large the number can be, and what divides it: it is told so again by the bits that may be
   * set, and what these can reach is made a part of the slot.
   */
  #addressAgain(address: Value, made: Instruction[]): Value {
    const emit = emitInto(made, this.#fn, address.span);
    const number = this.#numberOf(address);
    const farthest = [upperBound(number), BigInt(this.#size - 1)].reduce((one, other) => (one < other ? one : other));
    const bits = bitsBelow(farthest) & -BigInt(alignmentOf(address));
    this.#whole.size = Math.max(this.#whole.size, Math.ceil((Number(bits) + this.#size) / WORD) * WORD);
    const bounded = emit({ op: "and", type: "int", args: [number, emit({ op: "const", type: "int", args: [], value: bits })] });
    return emit({ op: "add", type: "ptr", args: [this.#whole, bounded] });
  }

  /** On edges that leave the loop, of what phis behind it take from there. */
  #makeOnTheWayOut(leaving: readonly Instruction[]): void {
    for (const { from, which, target } of exitsOf(this.#loop)) {
      const edge = edgeIndex(from, which);
      const brought = phisOf(target).map((phi) => phi.args[edge] as Value);
      const taken = leaving.filter((value) => brought.includes(value));
      if (taken.length === 0) continue;
      const made: Instruction[] = [];
      const again = new Map(taken.map((value) => [value, this.#addressAgain(value, made)]));
      let phi = 0;
      newBlockOnEdge(this.#fn, from, which, target, made, () => {
        const value = brought[phi++] as Value;
        return again.get(value) ?? value;
      });
      removeIncoming(target, edge);
    }
  }

  /** Where a block behind the loop uses `value`, or brings it to a phi. */
  #makeBehind(block: Block, value: Value): void {
    if (this.#loop.blocks.has(block)) return;
    const users: User[] = [...block.instructions, block.terminator].filter(
      ({ op, args }) => op !== "phi" && [...args].includes(value),
    );
    const edges = [...new Set(block.terminator.targets)].flatMap((target) =>
      target.predecessors.flatMap((from, edge) => (from === block ? phisOf(target).map((phi) => ({ phi, edge })) : [])),
    );
    const brings = edges.filter(({ phi, edge }) => phi.args[edge] === value);
    const [first] = users;
    if (first === undefined && brings.length === 0) return;
    const made: Instruction[] = [];
    const again = this.#addressAgain(value, made);
    const at = block.instructions.indexOf(first as Instruction);
    block.instructions.splice(at === -1 ? block.instructions.length : at, 0, ...made);
    for (const user of users) replaceIn(user, value, again);
    for (const { phi, edge } of brings) phi.args[edge] = again;
  }

  /** The slots become places in the whole; what lies behind them is zero, since the verifier has it read wherever the bits of a number reach. */
  #placeSlots(): void {
    const [entry] = this.#fn.blocks;
    if (entry === undefined) throw new Error("a function has a block");
    const made: Instruction[] = [this.#whole];
    const emit = emitInto(made, this.#fn, null);
    for (const [slot, offset] of this.#offsets) {
      const distance = emit({ op: "const", type: "int", args: [], value: offset });
      const place = emit({ op: "add", type: "ptr", args: [this.#whole, distance] });
      for (const block of this.#fn.blocks) block.instructions = block.instructions.filter((each) => each !== slot);
      replaceUses(this.#fn, slot, place);
    }
    const zero = emit({ op: "const", type: "int", args: [], value: 0n });
    for (let offset = this.#size; offset < this.#whole.size; offset += WORD) {
      emit({ op: "store", type: "void", args: [this.#whole, zero], size: WORD, offset, region: "stack" });
    }
    entry.instructions.unshift(...made);
  }
}
