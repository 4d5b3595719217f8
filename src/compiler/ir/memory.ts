/** Where loads and stores go: addresses taken apart, and which of them may meet. */
import { effectsOf } from "./effects.ts";
import type { Function, Instruction, Region, Value } from "./ir.ts";

export type Access = Extract<Instruction, { op: "load" | "store" | "atomic_add" }>;

/** `size` bytes at `offset` from `base`, a pointer that is no sum with a constant. */
export interface Location {
  region: Region;
  base: Value;
  offset: number;
  size: number;
}

/** Where `access` reads or writes. */
export function locationOf(access: Access): Location {
  const { base, offset } = withoutConstants(access.args[0] as Value); // an access has an address
  return { region: access.region, base, offset: access.offset + offset, size: access.size };
}

/** More constants than any address has added to it: a loop that nothing leads to any more can leave one that is its own sum. */
const MOST_SUMS = 10_000;

function withoutConstants(pointer: Value): { base: Value; offset: number } {
  let base = pointer;
  let offset = 0;
  for (let sums = 0; sums < MOST_SUMS; sums++) {
    const [inner, constant] = base.args;
    if (base.op !== "add" || inner?.type !== "ptr" || constant?.op !== "const") break;
    offset += Number(constant.value);
    base = inner;
  }
  return { base, offset };
}

/** The slots whose address is used for more than loads and stores of known place: helpers and unknown pointers may reach them. */
export function escapingSlots(fn: Function): Set<Value> {
  const escaping = new Set<Value>();
  const slotOf = (pointer: Value): Value | null => {
    const base = withoutConstants(pointer).base;
    return base.op === "slot" ? base : null;
  };
  for (const block of fn.blocks) {
    for (const instruction of block.instructions) {
      const isAccess = instruction.op === "load" || instruction.op === "store" || instruction.op === "atomic_add";
      const isOffset = instruction.op === "add" && instruction.args[1]?.op === "const";
      for (const [index, argument] of instruction.args.entries()) {
        const slot = slotOf(argument);
        if (slot !== null && !(index === 0 && (isAccess || isOffset))) escaping.add(slot);
      }
    }
  }
  return escaping;
}

/** What may reach the same bytes, in one function as it is now. */
export class Aliases {
  readonly #escaping: Set<Value>;

  constructor(fn: Function) {
    this.#escaping = escapingSlots(fn);
  }

  /** May the two places share a byte? */
  mayOverlap(left: Location, right: Location): boolean {
    if (left.region !== right.region) return false;
    if (left.base === right.base) return left.offset < right.offset + right.size && right.offset < left.offset + left.size;
    if (left.region === "stack") return !this.#isPrivate(left.base, right.base) && !this.#isPrivate(right.base, left.base);
    if (left.region === "data" && left.base.op === "data" && right.base.op === "data") {
      const distance = left.base.offset + left.offset - right.base.offset - right.offset;
      return left.base.section === right.base.section && distance < right.size && -distance < left.size;
    }
    if (left.region === "map") {
      const [one, other] = [mapOf(left.base), mapOf(right.base)];
      return one === null || other === null || one === other;
    }
    return true;
  }

  /** May a call of `helper` change what is at `location`? */
  mayBeWritten(location: Location, helper: number): boolean {
    return effectsOf(helper).writes.includes(location.region) && this.#isReachable(location);
  }

  /** May a call of `helper` look at what is at `location`? */
  mayBeRead(location: Location, helper: number): boolean {
    return effectsOf(helper).reads.includes(location.region) && this.#isReachable(location);
  }

  /** Is `base` a slot that the pointer `other` cannot point into? */
  #isPrivate(base: Value, other: Value): boolean {
    return base.op === "slot" && (other.op === "slot" || !this.#escaping.has(base));
  }

  #isReachable({ region, base }: Location): boolean {
    return region !== "stack" || base.op !== "slot" || this.#escaping.has(base);
  }
}

/** The name of the map that `base` is a value of, if that is plain. */
function mapOf(base: Value): string | null {
  const [map] = base.args;
  return base.op === "call" && map?.op === "map" ? map.name : null;
}
