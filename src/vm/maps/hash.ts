/**
 * The hash types, LRU and per-CPU ones included. An update of a shared table replaces the element's memory, as the kernel does, so
 * that who looked it up before goes on with the old one; a per-CPU table is written in place. The kernel's LRU forgets in batches,
 * roughly the oldest; this one forgets exactly the oldest.
 */
import type { MapSpec } from "../../object/spec.ts";
import type { Region } from "../memory.ts";
import { type Element, ERRNO, keyText, UPDATE, VmMap } from "./map.ts";

export class VmHash extends VmMap {
  readonly #elements = new Map<string, Element>();
  readonly #forgets: boolean;

  constructor(spec: MapSpec, copies: number, forgets: boolean) {
    super(spec, copies);
    this.#forgets = forgets;
  }

  override lookup(key: Uint8Array, cpu: number): Region | null {
    const text = keyText(key);
    const element = this.#elements.get(text);
    if (element !== undefined && this.#forgets) {
      // A Map keeps the order of insertion: what was used last stands last.
      this.#elements.delete(text);
      this.#elements.set(text, element);
    }
    return this.copyOf(element, cpu);
  }

  override update(key: Uint8Array, value: Uint8Array, flags: bigint, cpu: number): bigint {
    if (flags > UPDATE.EXIST) return ERRNO.EINVAL;
    const text = keyText(key);
    const known = this.#elements.get(text);
    if (known !== undefined && flags === UPDATE.NOEXIST) return ERRNO.EEXIST;
    if (known === undefined && flags === UPDATE.EXIST) return ERRNO.ENOENT;
    if (known !== undefined && this.copies > 1) {
      this.copyOf(known, cpu)?.bytes.set(value);
      return ERRNO.OK;
    }
    if (known === undefined && this.#elements.size >= this.spec.maxEntries) {
      if (!this.#forgets) return ERRNO.E2BIG;
      const [oldest] = this.#elements.keys();
      if (oldest !== undefined) this.#elements.delete(oldest);
    }
    this.#elements.delete(text);
    this.#elements.set(text, this.newElement(key, value, cpu));
    return ERRNO.OK;
  }

  override delete(key: Uint8Array): bigint {
    return this.#elements.delete(keyText(key)) ? ERRNO.OK : ERRNO.ENOENT;
  }

  override elements(): Iterable<Element> {
    return this.#elements.values();
  }
}
