/** What queues and stacks do, as docs/language.md has it: values go in and come out as copies. */
import type { Contents } from "./map-model.ts";
import { hex } from "./memory.ts";
import type { MapDeclaration } from "./tree.ts";

export class QueueModel {
  readonly #map: MapDeclaration;
  /** The oldest first. */
  readonly #values: Uint8Array[];

  constructor(map: MapDeclaration) {
    this.#map = map;
    this.#values = map.contents.map(({ value }) => value.slice());
  }

  push(value: Uint8Array, overwrite: boolean): boolean {
    if (this.#values.length >= this.#map.entries) {
      if (!overwrite) return false;
      this.#values.shift();
    }
    this.#values.push(value.slice());
    return true;
  }

  /** The value that comes out next, `null` when there is none. */
  next(take: boolean): Uint8Array | null {
    const index = this.#map.kind === "stack" ? this.#values.length - 1 : 0;
    const value = this.#values[index];
    if (value === undefined) return null;
    if (take) this.#values.splice(index, 1);
    return value.slice();
  }

  /** By their place, the oldest first. */
  contents(): Contents {
    return new Map(this.#values.map((value, index) => [placeOf(index), { own: hex(value), others: null }]));
  }
}

/** What stands for the key of value number `index`. */
export function placeOf(index: number): string {
  return index.toString(16).padStart(8, "0");
}
