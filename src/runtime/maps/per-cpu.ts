/**
 * Values that have a copy for each possible CPU, so that programs count without atomics. User space sees the copies, or their sum.
 * `hash.ts` and `array.ts` have the two forms of such maps.
 */
import { WirescriptError } from "../../errors.ts";
import { possibleCpus } from "../../sys/cpus.ts";
import type { Codec } from "./codecs.ts";
import { mapFailure } from "./failure.ts";
import type { BpfMap, MapParts } from "./map.ts";
import { sumValues } from "./sum.ts";

const ENOENT = 2;

export interface PerCpuMethods<K, V> {
  /** How many copies a value has: the possible CPUs of this machine. */
  readonly cpus: number;
  /**
   * The copies added up, field by field: bigint for 64-bit fields, number for smaller ones (which may exceed the field's own range).
   *
   * @throws WirescriptError MAP when there is no such key, or the value has fields that cannot be added.
   */
  sum(key: K): V;
  /** All entries with their sums. */
  sums(): Iterable<[key: K, sum: V]>;
}

/** All copies of a value as an array, as the kernel lays them out: each is rounded up to 8 bytes. */
export class CopiesCodec implements Codec {
  readonly size: number;
  readonly cpus = possibleCpus();
  readonly #name: string;
  readonly #one: Codec;
  readonly #stride: number;

  constructor({ name, value, valueSize }: Pick<MapParts, "name" | "value" | "valueSize">) {
    this.#name = name;
    this.#one = value;
    this.#stride = Math.ceil(valueSize / 8) * 8;
    this.size = this.#stride * this.cpus;
  }

  decode(bytes: Uint8Array, offset = 0): unknown[] {
    const copies: unknown[] = [];
    for (let cpu = 0; cpu < this.cpus; cpu++) copies.push(this.#one.decode(bytes, offset + cpu * this.#stride));
    return copies;
  }

  encode(values: unknown, into: Uint8Array, offset = 0): void {
    if (!Array.isArray(values) || values.length !== this.cpus) {
      throw new WirescriptError({
        code: "MAP",
        what: `The map "${this.#name}" takes ${this.cpus} values for a key, not ${Array.isArray(values) ? values.length : "one"}.`,
        why: `It is a per-CPU map, and this machine has ${this.cpus} possible CPUs.`,
        fix: "Give an array with one value for each CPU: Array.from({ length: map.cpus }, () => value).",
      });
    }
    into.fill(0, offset, offset + this.size);
    values.forEach((value, cpu) => {
      this.#one.encode(value, into, offset + cpu * this.#stride);
    });
  }
}

export function sumOf<K, V>(map: BpfMap & { get(key: K): V[] | undefined }, key: K): V {
  const values = map.get(key);
  if (values === undefined) throw mapFailure(map, "read", ENOENT, key);
  return sumValues(values, map.name);
}

export function* sumsOf<K, V>(map: BpfMap & { entries(): Iterable<[K, V[]]> }): Generator<[key: K, sum: V]> {
  for (const [key, values] of map.entries()) yield [key, sumValues(values, map.name)];
}
