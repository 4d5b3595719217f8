/** BPF_MAP_TYPE_ARRAY and BPF_MAP_TYPE_PERCPU_ARRAY: every index has its element from the start. */
import type { MapSpec } from "../../object/spec.ts";
import type { Region } from "../memory.ts";
import { type Element, ERRNO, UPDATE, VmMap } from "./map.ts";

export class VmArray extends VmMap {
  readonly #elements = new Map<number, Element>();

  constructor(spec: MapSpec, copies: number) {
    super(spec, copies);
  }

  override lookup(key: Uint8Array, cpu: number): Region | null {
    const index = indexOf(key);
    return index < this.spec.maxEntries ? this.copyOf(this.#element(index), cpu) : null;
  }

  override update(key: Uint8Array, value: Uint8Array, flags: bigint, cpu: number): bigint {
    if (flags > UPDATE.EXIST) return ERRNO.EINVAL;
    const place = this.lookup(key, cpu);
    if (place === null) return ERRNO.E2BIG;
    if (flags === UPDATE.NOEXIST) return ERRNO.EEXIST;
    place.bytes.set(value);
    return ERRNO.OK;
  }

  override delete(): bigint {
    return ERRNO.EINVAL;
  }

  override *elements(): Iterable<Element> {
    for (let index = 0; index < this.spec.maxEntries; index++) yield this.#element(index);
  }

  /** Made when it is first asked for: arrays may be large. */
  #element(index: number): Element {
    let element = this.#elements.get(index);
    if (element === undefined) {
      element = this.newElement(keyOf(index), null, 0);
      this.#elements.set(index, element);
    }
    return element;
  }
}

export function indexOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(0, true);
}

function keyOf(index: number): Uint8Array {
  return new Uint8Array(new Uint32Array([index]).buffer);
}
