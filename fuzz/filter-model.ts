/**
 * What Bloom filters do, but that they never err here. The kernel's do not err either in generated modules: these are declared for so many
 * values, with so many hashes, that a wrong answer would take longer than anyone fuzzes.
 */
import type { Contents } from "./map-model.ts";
import { hex } from "./memory.ts";
import type { MapDeclaration } from "./tree.ts";

export class FilterModel {
  readonly #values: Set<string>;

  constructor({ contents }: MapDeclaration) {
    this.#values = new Set(contents.map(({ value }) => hex(value)));
  }

  push(value: Uint8Array): boolean {
    this.#values.add(hex(value));
    return true;
  }

  has(value: Uint8Array): boolean {
    return this.#values.has(hex(value));
  }

  /** By the values themselves: all that a filter can be asked for. */
  contents(): Contents {
    return new Map([...this.#values].map((value) => [value, { own: value, others: null }]));
  }
}
