/**
 * What docs/language.md says of maps. Per-CPU maps are seen from the CPU that runs the program; other CPUs' copies stay as they were, or
 * are zero in an element that is new. Tables that forget have room enough in generated modules, so nothing is forgotten.
 */
import { hex, type View } from "./memory.ts";
import { isIndexed, isPerCpu, type MapDeclaration } from "./tree.ts";

/** The copy of the CPU that ran the program, and that of every other CPU; `null` where CPUs share one. */
export interface Copies {
  own: string;
  others: string | null;
}

/** By key in hexadecimal. */
export type Contents = Map<string, Copies>;

/** For comparing and printing. */
export function element(map: string, key: string, { own, others }: Copies): string {
  return `${map} ${key}: ${own}${others === null ? "" : ` others ${others}`}`;
}

interface Element {
  key: Uint8Array;
  value: Uint8Array;
  others: Uint8Array;
}

export class MapModel {
  readonly #map: MapDeclaration;
  readonly #elements = new Map<string, Element>();

  constructor(map: MapDeclaration) {
    this.#map = map;
    if (this.#indexed) {
      for (let index = 0; index < map.entries; index++)
        this.#put(new Uint8Array([index, 0, 0, 0]), new Uint8Array(map.value.size));
    }
    for (const { key, value } of map.contents) {
      this.update(key, value, "any");
      const element = this.#find(key);
      if (element !== undefined) element.others = value.slice();
    }
  }

  lookup(key: Uint8Array): View | null {
    const element = this.#map.kind === "lpmTrie" ? this.#longest(key) : this.#elements.get(hex(key));
    return element === undefined ? null : { bytes: element.value, at: 0 };
  }

  update(key: Uint8Array, value: Uint8Array, mode: "any" | "noexist" | "exist"): boolean {
    if (this.#map.kind === "lpmTrie" && prefixOf(key) > (key.length - 4) * 8) return false;
    const known = this.#find(key);
    if (known === undefined ? mode === "exist" : mode === "noexist") return false;
    if (known === undefined && (this.#indexed || this.#elements.size >= this.#map.entries)) return false;
    if (known !== undefined && (this.#indexed || this.#perCpu)) known.value.set(value);
    else {
      if (known !== undefined) this.#elements.delete(hex(known.key));
      this.#put(key, value);
    }
    return true;
  }

  delete(key: Uint8Array): boolean {
    const known = this.#indexed ? undefined : this.#find(key);
    return known !== undefined && this.#elements.delete(hex(known.key));
  }

  contents(): Contents {
    const copies = ({ value, others }: Element): Copies => ({ own: hex(value), others: this.#perCpu ? hex(others) : null });
    return new Map([...this.#elements].map(([key, each]) => [key, copies(each)]));
  }

  get #indexed(): boolean {
    return isIndexed(this.#map);
  }

  get #perCpu(): boolean {
    return isPerCpu(this.#map);
  }

  #put(key: Uint8Array, value: Uint8Array): Element {
    const element = { key: key.slice(), value: value.slice(), others: new Uint8Array(value.length) };
    this.#elements.set(hex(key), element);
    return element;
  }

  /** The element that has exactly this key; in a trie, one with the same prefix. */
  #find(key: Uint8Array): Element | undefined {
    if (this.#map.kind !== "lpmTrie") return this.#elements.get(hex(key));
    return [...this.#elements.values()].find((each) => prefixOf(each.key) === prefixOf(key) && covers(each.key, key));
  }

  #longest(key: Uint8Array): Element | undefined {
    if (prefixOf(key) > (key.length - 4) * 8) return undefined;
    const matching = [...this.#elements.values()].filter(
      (each) => prefixOf(each.key) <= prefixOf(key) && covers(each.key, key),
    );
    return matching.sort((a, b) => prefixOf(b.key) - prefixOf(a.key))[0];
  }
}

function prefixOf(key: Uint8Array): number {
  return Buffer.from(key).readUInt32LE(0);
}

/** Whether `key` begins with the bits of `prefix`. */
function covers(prefix: Uint8Array, key: Uint8Array): boolean {
  const bits = (bytes: Uint8Array) => [...bytes.subarray(4)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const length = prefixOf(prefix);
  return bits(prefix).slice(0, length) === bits(key).slice(0, length);
}
