/** What the callback has in place of the caller's values: those that need no place in the frame are made again in its first block. */
import { blockOf } from "../ir/block-of.ts";
import type { Block, Function, Value } from "../ir/ir.ts";
import { replaceIn } from "../ir/uses.ts";
import type { CodeWriter } from "./code-writer.ts";
import type { LoopFrame } from "./loop-frame.ts";
import { isPlaceInSlot, slotOf } from "./slot-places.ts";

/** Where the frame is: in the caller a slot, in the callback's first block an address. */
export interface FrameSides {
  frame: LoopFrame;
  slot: Value & { op: "slot" };
  entry: Block;
  address: Value;
}

export class RemadeValues {
  readonly inside = new Map<Value, Value>();
  readonly #code: CodeWriter;
  readonly #fn: Function;
  readonly #blocks: ReadonlySet<Block>;
  readonly #frame: LoopFrame;
  readonly #slot: Value & { op: "slot" };
  readonly #entry: Block;
  readonly #frameAddress: Value;
  readonly #own: ReadonlySet<Value>;

  /** `used`: what the loop, which consists of `blocks`, uses and does not compute. */
  constructor(
    code: CodeWriter,
    fn: Function,
    blocks: ReadonlySet<Block>,
    { frame, slot, entry, address }: FrameSides,
    used: ReadonlySet<Value>,
  ) {
    this.#code = code;
    this.#fn = fn;
    this.#blocks = blocks;
    this.#frame = frame;
    this.#slot = slot;
    this.#entry = entry;
    this.#frameAddress = address;
    this.#own = this.#ownSlots(used);
  }

  /** Makes `value` in the callback's first block, if it needs no register to come there. */
  again(value: Value): boolean {
    if (this.inside.has(value)) return true;
    // A slot that has just become a part of the frame stands behind places in it.
    if (value === this.#slot) {
      this.inside.set(value, this.#frameAddress);
      return true;
    }
    switch (value.op) {
      case "const":
      case "map":
      case "data":
      case "function":
        this.inside.set(value, this.#code.emit(this.#entry, { ...value, args: [] }));
        return true;
      case "slot": {
        if (this.#own.has(value)) {
          this.inside.set(value, this.#code.emit(this.#entry, { ...value, args: [] }));
          return true;
        }
        // Behind a number that the verifier has forgotten may be all of a slot: nothing of the frame must lie there.
        if (value.counted !== undefined) return false;
        const offset = this.#merged(value);
        const distance = this.#code.constant(this.#entry, BigInt(offset));
        this.inside.set(value, this.#code.emit(this.#entry, { op: "add", type: "ptr", args: [this.#frameAddress, distance] }));
        return true;
      }
      default: {
        const [base, distance] = value.args;
        if (!isPlaceInSlot(value) || base === undefined || distance?.op !== "const") return false;
        if (!this.again(base)) return false;
        const inner = this.inside.get(base) as Value;
        const constant = this.#code.constant(this.#entry, distance.value);
        this.inside.set(value, this.#code.emit(this.#entry, { op: "add", type: "ptr", args: [inner, constant] }));
        return true;
      }
    }
  }

  /** Makes the slot a part of the frame, so that its address needs no place of its own; gives where. */
  #merged(slot: Value & { op: "slot" }): number {
    const offset = this.#frame.extend(slot.size);
    const entry = this.#fn.blocks[0] as Block;
    const distance = this.#code.make({ op: "const", type: "int", args: [], value: BigInt(offset) });
    entry.instructions.splice(entry.instructions.indexOf(this.#slot) + 1, 0, distance);
    // The slot itself becomes the address in the frame, wherever it stands.
    const home = blockOf(this.#fn, slot);
    const address = this.#code.make({ op: "add", type: "ptr", args: [this.#slot, distance] });
    home.instructions[home.instructions.indexOf(slot)] = address;
    for (const block of this.#fn.blocks) {
      if (this.#blocks.has(block)) continue;
      for (const user of [...block.instructions, block.terminator]) replaceIn(user, slot, address);
    }
    return offset;
  }

  /** Slots that only the loop uses move into the callback; others become a part of the frame. */
  #ownSlots(used: ReadonlySet<Value>): Set<Value> {
    const outside = new Set<Value>();
    for (const block of this.#fn.blocks) {
      if (this.#blocks.has(block)) continue;
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
}
