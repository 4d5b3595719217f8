/** A map with one value for each key, seen through typed keys and values. `hash.ts` and `array.ts` name its two forms. */
import { Elements, type UpdateMode } from "./elements.ts";
import { BpfMap, type MapParts } from "./map.ts";

export interface UpdateOptions {
  /** "noexist": only add, "exist": only change; "any" (default): both. */
  flags?: UpdateMode;
}

export abstract class TableMap<K, V> extends BpfMap {
  readonly #key: MapParts["key"];
  readonly #value: MapParts["value"];
  protected readonly elements: Elements;

  constructor(parts: MapParts) {
    super(parts);
    this.#key = parts.key;
    this.#value = parts.value;
    this.elements = new Elements({ ...parts, valueBytes: parts.valueSize });
  }

  protected keyBytes(key: K): Uint8Array {
    const bytes = new Uint8Array(this.keySize);
    this.#key.encode(key, bytes);
    return bytes;
  }

  /** A copy of the value; undefined when there is no such key. @throws WirescriptError (MAP) */
  get(key: K): V | undefined {
    const bytes = this.elements.lookup(this.keyBytes(key), key);
    // The codec was made from the map's types, which the type parameters state.
    return bytes === null ? undefined : (this.#value.decode(bytes) as V);
  }

  /**
   * Writes the whole value at once.
   *
   * @throws WirescriptError MAP: the map is full or frozen, the index is out of range, the value does not fit its type, or `flags` does
   * not allow it.
   */
  set(key: K, value: V, options: UpdateOptions = {}): void {
    const bytes = new Uint8Array(this.valueSize);
    this.#value.encode(value, bytes);
    this.elements.update(this.keyBytes(key), bytes, options.flags ?? "any", key);
  }

  /**
   * All entries, each once, in no particular order. Safe while programs change the map: an entry that is there from start to end is
   * given, one that comes or goes meanwhile may or may not be.
   */
  *entries(): Generator<[key: K, value: V]> {
    for (const [key, value] of this.elements.entries()) {
      yield [this.#key.decode(key) as K, this.#value.decode(value) as V];
    }
  }

  *keys(): Generator<K> {
    for (const [key] of this.elements.entries()) yield this.#key.decode(key) as K;
  }

  *values(): Generator<V> {
    for (const [, value] of this.elements.entries()) yield this.#value.decode(value) as V;
  }

  [Symbol.iterator](): Generator<[key: K, value: V]> {
    return this.entries();
  }
}
