/** BPF_MAP_TYPE_LPM_TRIE: a key is a number of bits (u32, host order) and the bytes that they are counted in. */
import type { MapSpec } from "../../object/spec.ts";
import type { Region } from "../memory.ts";
import { indexOf as prefixLength } from "./array.ts";
import { type Element, ERRNO, UPDATE, VmMap } from "./map.ts";

export class VmLpmTrie extends VmMap {
  readonly #elements: Element[] = [];

  constructor(spec: MapSpec) {
    super(spec, 1);
  }

  override lookup(key: Uint8Array): Region | null {
    if (prefixLength(key) > this.#bits) return null;
    let best: Element | null = null;
    for (const element of this.#elements) {
      const length = prefixLength(element.key);
      const longer = best === null || length > prefixLength(best.key);
      if (longer && length <= prefixLength(key) && sameBits(element.key, key, length)) best = element;
    }
    return best === null ? null : this.copyOf(best, 0);
  }

  override update(key: Uint8Array, value: Uint8Array, flags: bigint): bigint {
    if (flags > UPDATE.EXIST || prefixLength(key) > this.#bits) return ERRNO.EINVAL;
    const index = this.#find(key);
    if (index >= 0 && flags === UPDATE.NOEXIST) return ERRNO.EEXIST;
    if (index < 0 && flags === UPDATE.EXIST) return ERRNO.ENOENT;
    if (index < 0 && this.#elements.length >= this.spec.maxEntries) return ERRNO.ENOSPC;
    const element = this.newElement(key, value, 0);
    if (index >= 0) this.#elements[index] = element;
    else this.#elements.push(element);
    return ERRNO.OK;
  }

  override delete(key: Uint8Array): bigint {
    if (prefixLength(key) > this.#bits) return ERRNO.EINVAL;
    const index = this.#find(key);
    if (index < 0) return ERRNO.ENOENT;
    this.#elements.splice(index, 1);
    return ERRNO.OK;
  }

  override elements(): Iterable<Element> {
    return this.#elements;
  }

  get #bits(): number {
    return (this.spec.keySize - 4) * 8;
  }

  #find(key: Uint8Array): number {
    const length = prefixLength(key);
    return this.#elements.findIndex((element) => prefixLength(element.key) === length && sameBits(element.key, key, length));
  }
}

/** Whether two keys agree in the first `count` bits behind the length, most significant first. */
function sameBits(a: Uint8Array, b: Uint8Array, count: number): boolean {
  for (let bit = 0; bit < count; bit++) {
    const index = 4 + (bit >> 3);
    if ((((a[index] ?? 0) ^ (b[index] ?? 0)) & (0x80 >> (bit & 7))) !== 0) return false;
  }
  return true;
}
