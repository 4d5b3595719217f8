/** BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK and BPF_MAP_TYPE_BLOOM_FILTER: maps without keys. Values go in and come out as copies. */
import type { MapSpec } from "../../object/spec.ts";
import { Region } from "../memory.ts";
import { VmKeyless } from "./keyless.ts";
import { type Element, ERRNO, keyText, UPDATE } from "./map.ts";

/** Maps that values are pushed into. */
abstract class VmPushed extends VmKeyless {
  /** 0n or a negative errno. `flags`: "any" or, to throw the oldest out of a full map, "exist" of `UPDATE`. */
  abstract push(value: Uint8Array, flags: bigint): bigint;

  /** For printing: the values in their order, with the place of each as its key. */
  protected elementsOf(values: Iterable<Uint8Array>): Element[] {
    return [...values].map((value, index) => ({
      key: Uint8Array.of(index >> 24, index >> 16, index >> 8, index),
      copies: [new Region(`a value of the map ${this.spec.name}`, value.slice())],
    }));
  }
}

/** The kernel's queue and its stack are one ring: `newestFirst` tells which end values are taken from. */
export class VmQueue extends VmPushed {
  /** The oldest first. */
  readonly #values: Uint8Array[] = [];
  readonly #newestFirst: boolean;

  constructor(spec: MapSpec, newestFirst: boolean) {
    super(spec);
    this.#newestFirst = newestFirst;
  }

  override push(value: Uint8Array, flags: bigint): bigint {
    if (flags === UPDATE.NOEXIST || flags > UPDATE.EXIST) return ERRNO.EINVAL;
    if (this.#values.length >= this.spec.maxEntries) {
      if (flags !== UPDATE.EXIST) return ERRNO.E2BIG;
      this.#values.shift();
    }
    this.#values.push(value.slice());
    return ERRNO.OK;
  }

  /** A copy of the next value, which is removed when `take` is true; `null` when there is none. */
  next(take: boolean): Uint8Array | null {
    const index = this.#newestFirst ? this.#values.length - 1 : 0;
    const value = this.#values[index];
    if (value === undefined) return null;
    if (take) this.#values.splice(index, 1);
    return value.slice();
  }

  override elements(): Iterable<Element> {
    return this.elementsOf(this.#values);
  }
}

/** Never errs, unlike the kernel's: it remembers the values themselves. */
export class VmBloomFilter extends VmPushed {
  readonly #values = new Map<string, Uint8Array>();

  override push(value: Uint8Array, flags: bigint): bigint {
    if (flags !== UPDATE.ANY) return ERRNO.EINVAL;
    this.#values.set(keyText(value), value.slice());
    return ERRNO.OK;
  }

  has(value: Uint8Array): boolean {
    return this.#values.has(keyText(value));
  }

  override elements(): Iterable<Element> {
    return this.elementsOf(this.#values.values());
  }
}
