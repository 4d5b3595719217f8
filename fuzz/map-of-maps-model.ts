/** What maps of maps do: a lookup gives the map that user space has put there. Programs change what is in those, not which are there. */
import type { Contents } from "./map-model.ts";
import { hex } from "./memory.ts";
import type { MapDeclaration } from "./tree.ts";

export class MapOfMapsModel<Inner extends { contents(): Contents }> {
  readonly #inners: ReadonlyMap<string, Inner>;

  /** `make` gives the model of a map inside. */
  constructor({ inners = [] }: MapDeclaration, make: (inner: MapDeclaration) => Inner) {
    this.#inners = new Map(inners.map((inner) => [hex(inner.at), make(inner)]));
  }

  lookup(key: Uint8Array): Inner | null {
    return this.#inners.get(hex(key)) ?? null;
  }

  contents(): Contents {
    return new Map(
      [...this.#inners].flatMap(([key, inner]) =>
        [...inner.contents()].map(([own, copies]) => [placeInside(key, own), copies] as const),
      ),
    );
  }
}

/** What stands for the element `key` of the map that is at `outer`; both are in hexadecimal. */
export function placeInside(outer: string, key: string): string {
  return `${outer}/${key}`;
}
