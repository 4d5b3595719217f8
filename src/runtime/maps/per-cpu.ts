/**
 * A map that has a copy of each value for each possible CPU, so that programs count without atomics. User space sees the copies, or
 * their sum. `hash.ts` and `array.ts` name its two forms.
 */
import { WirescriptError } from "../../errors.ts";
import { possibleCpus } from "../../sys/cpus.ts";
import { Elements } from "./elements.ts";
import { mapFailure } from "./failure.ts";
import { BpfMap, type MapParts } from "./map.ts";
import { sumValues } from "./sum.ts";
import type { UpdateOptions } from "./table.ts";

const ENOENT = 2;

export abstract class PerCpuMap<K, V> extends BpfMap {
  /** How many copies a value has: the possible CPUs of this machine. */
  readonly cpus: number;
  readonly #key: MapParts["key"];
  readonly #value: MapParts["value"];
  /** Bytes from one copy to the next: the kernel rounds up to 8. */
  readonly #stride: number;
  protected readonly elements: Elements;

  constructor(parts: MapParts) {
    super(parts);
    this.cpus = possibleCpus();
    this.#key = parts.key;
    this.#value = parts.value;
    this.#stride = Math.ceil(parts.valueSize / 8) * 8;
    this.elements = new Elements({ ...parts, valueBytes: this.#stride * this.cpus });
  }

  protected keyBytes(key: K): Uint8Array {
    const bytes = new Uint8Array(this.keySize);
    this.#key.encode(key, bytes);
    return bytes;
  }

  #decode(bytes: Uint8Array): V[] {
    // The codec was made from the map's types, which the type parameters state.
    return Array.from({ length: this.cpus }, (_, cpu) => this.#value.decode(bytes, cpu * this.#stride) as V);
  }

  /** The copies, one for each possible CPU; undefined when there is no such key. @throws WirescriptError (MAP) */
  get(key: K): V[] | undefined {
    const bytes = this.elements.lookup(this.keyBytes(key), key);
    return bytes === null ? undefined : this.#decode(bytes);
  }

  /**
   * The copies added up, field by field: bigint for 64-bit fields, number for smaller ones (which may exceed the field's own range).
   *
   * @throws WirescriptError MAP when there is no such key, or the value has fields that cannot be added.
   */
  sum(key: K): V {
    const values = this.get(key);
    if (values === undefined) throw mapFailure(this, "read", ENOENT, key);
    return sumValues(values, this.name);
  }

  /** Writes all copies. @throws WirescriptError MAP as for other maps, and when the number of values is not that of the CPUs. */
  set(key: K, values: readonly V[], options: UpdateOptions = {}): void {
    if (!Array.isArray(values) || values.length !== this.cpus) {
      throw new WirescriptError({
        code: "MAP",
        what: `The map "${this.name}" takes ${this.cpus} values for a key, not ${Array.isArray(values) ? values.length : "one"}.`,
        why: `It is a per-CPU map, and this machine has ${this.cpus} possible CPUs.`,
        fix: "Give an array with one value for each CPU: Array.from({ length: map.cpus }, () => value).",
      });
    }
    const bytes = new Uint8Array(this.#stride * this.cpus);
    values.forEach((value, cpu) => {
      this.#value.encode(value, bytes, cpu * this.#stride);
    });
    this.elements.update(this.keyBytes(key), bytes, options.flags ?? "any", key);
  }

  /** All entries, each once, with their copies; as safe under change as those of other maps. */
  *entries(): Generator<[key: K, values: V[]]> {
    for (const [key, value] of this.elements.entries()) yield [this.#key.decode(key) as K, this.#decode(value)];
  }

  *keys(): Generator<K> {
    for (const [key] of this.elements.entries()) yield this.#key.decode(key) as K;
  }

  *values(): Generator<V[]> {
    for (const [, value] of this.elements.entries()) yield this.#decode(value);
  }

  /** All entries with their sums. */
  *sums(): Generator<[key: K, sum: V]> {
    for (const [key, values] of this.entries()) yield [key, sumValues(values, this.name)];
  }

  [Symbol.iterator](): Generator<[key: K, values: V[]]> {
    return this.entries();
  }
}
