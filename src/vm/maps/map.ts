/** What all maps have in common: elements that are found by their key's bytes, each with one copy, or one for each CPU. */
import type { MapSpec } from "../../object/spec.ts";
import { Region } from "../memory.ts";

/** What updates and deletions answer: 0, or one of these. */
export const ERRNO = { OK: 0n, ENOENT: -2n, E2BIG: -7n, EEXIST: -17n, EINVAL: -22n, ENOSPC: -28n } as const;

/** BPF_ANY, BPF_NOEXIST, BPF_EXIST */
export const UPDATE = { ANY: 0n, NOEXIST: 1n, EXIST: 2n } as const;

export interface Element {
  key: Uint8Array;
  /** One region, or one for each CPU. */
  copies: Region[];
}

export abstract class VmMap {
  readonly spec: MapSpec;
  /** Copies of each element. */
  readonly copies: number;

  constructor(spec: MapSpec, copies: number) {
    this.spec = spec;
    this.copies = copies;
  }

  /** The element's memory, live; `null` when there is none. */
  abstract lookup(key: Uint8Array, cpu: number): Region | null;
  /** 0n or a negative errno. `flags`: one of `UPDATE`. */
  abstract update(key: Uint8Array, value: Uint8Array, flags: bigint, cpu: number): bigint;
  /** 0n or a negative errno. */
  abstract delete(key: Uint8Array): bigint;
  /** Every element, in no particular order. */
  abstract elements(): Iterable<Element>;

  /** For user space: gives every copy of the element the same bytes. 0n or a negative errno. */
  set(key: Uint8Array, value: Uint8Array): bigint {
    for (let cpu = 0; cpu < this.copies; cpu++) {
      const result = this.update(key, value, UPDATE.ANY, cpu);
      if (result !== ERRNO.OK) return result;
    }
    return ERRNO.OK;
  }

  /** For user space: a copy of the element's bytes on `cpu`, or `null`. */
  get(key: Uint8Array, cpu = 0): Uint8Array | null {
    return this.lookup(key, cpu)?.bytes.slice() ?? null;
  }

  /** Fresh memory for an element: zeros, but for `value` in the copy of `cpu`. */
  protected newElement(key: Uint8Array, value: Uint8Array | null, cpu: number): Element {
    const copies = Array.from({ length: this.copies }, (_, index) => {
      const bytes = new Uint8Array(this.spec.valueSize);
      if (value !== null && index === (this.copies === 1 ? 0 : cpu)) bytes.set(value);
      return new Region(`an element of the map ${this.spec.name}`, bytes);
    });
    return { key: key.slice(), copies };
  }

  protected copyOf(element: Element | undefined, cpu: number): Region | null {
    return element?.copies[this.copies === 1 ? 0 : cpu] ?? null;
  }
}

/** Keys of a `Map`: the bytes, two digits each. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}
