/**
 * An array in memory that this process shares with the programs that use it: reading and writing an element is no system call. As in any
 * shared memory, an element of more than 8 bytes may be seen half written; `get` through the map sees no less.
 */
import { WirescriptError } from "../../errors.ts";
import { BPF } from "../../sys/bpf.ts";
import { isErrno } from "../../sys/errno.ts";
import { MappedMemory } from "../../sys/mapped-memory.ts";
import { pageSize } from "../../sys/page-size.ts";
import { accessOf } from "./access.ts";
import type { Codec } from "./codecs.ts";
import { outOfRange } from "./failure.ts";
import type { BpfMap } from "./map.ts";

export class MappedArray<V = unknown> implements Disposable {
  /** How many elements there are. */
  readonly length: number;
  /** Bytes from one element to the next: the size of a value, rounded up to 8. */
  readonly stride: number;
  readonly writable: boolean;
  readonly #map: BpfMap;
  readonly #value: Codec;
  readonly #memory: MappedMemory;
  readonly #encoded: Uint8Array;

  /** For `ArrayMap.mmap`. */
  constructor(map: BpfMap, value: Codec, writable: boolean) {
    this.#map = map;
    this.#value = value;
    this.length = map.maxEntries;
    this.stride = Math.ceil(map.valueSize / 8) * 8;
    this.writable = writable;
    this.#encoded = new Uint8Array(map.valueSize);
    const length = Math.ceil((this.stride * this.length) / pageSize()) * pageSize();
    try {
      this.#memory = new MappedMemory(map.fd.number, length, { writable });
    } catch (error) {
      throw refused(map, writable, error);
    }
  }

  /**
   * The elements as they lie in memory, live, in host byte order: for typed arrays over them and for Atomics. After `close` they are
   * zero and writing to them has no effect.
   */
  get bytes(): Uint8Array {
    return this.#memory.bytes.subarray(0, this.stride * this.length);
  }

  /** A copy of the element; undefined beyond the last one. @throws WirescriptError USAGE when it is closed. */
  get(index: number): V | undefined {
    const { bytes } = this.#open();
    if (!Number.isInteger(index) || index < 0 || index >= this.length) return undefined;
    // The codec was made from the map's types, which the type parameter states.
    return this.#value.decode(bytes, index * this.stride) as V;
  }

  /** Writes the whole element. @throws WirescriptError MAP beyond the last one, or when the value does not fit; USAGE when closed or read-only. */
  set(index: number, value: V): void {
    const { bytes } = this.#open();
    if (!this.writable) {
      throw new WirescriptError({
        code: "USAGE",
        what: `The array "${this.#map.name}" was mapped to be read only.`,
        why: "Writing to such memory would end the process.",
        fix: "Map it with { writable: true }.",
      });
    }
    if (!Number.isInteger(index) || index < 0 || index >= this.length) throw outOfRange(this.#map, index);
    // Put together elsewhere, so that programs see nothing in between, and nothing of a value that does not fit.
    this.#value.encode(value, this.#encoded);
    bytes.set(this.#encoded, index * this.stride);
  }

  *[Symbol.iterator](): Generator<V> {
    for (let index = 0; index < this.length; index++) yield this.get(index) as V; // in range
  }

  #open(): MappedMemory {
    if (!this.#memory.closed) return this.#memory;
    throw new WirescriptError({
      code: "USAGE",
      what: `The mapped array "${this.#map.name}" is closed.`,
      why: "Its memory was given back.",
      fix: "Map it anew, or close it later.",
    });
  }

  /** Gives the memory back. The map itself stays open. */
  close(): void {
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function refused(map: BpfMap, writable: boolean, cause: unknown): unknown {
  if (!isErrno(cause, "ENOTSUPP", "EOPNOTSUPP", "EPERM", "EACCES", "EINVAL", "E524")) return cause;
  const failure = (why: string, fix: string) =>
    new WirescriptError({ code: "MAP", what: `The array "${map.name}" cannot be mapped into memory.`, why, fix, cause });
  const { flags } = map.info();
  if ((flags & BPF.BPF_F_MMAPABLE) === 0) {
    return failure(
      "It was made without the flag BPF_F_MMAPABLE.",
      "Make it so: array({ …, mmapable: true }), or __uint(map_flags, BPF_F_MMAPABLE) in C; or read it with get().",
    );
  }
  const access = accessOf(map.fd);
  const readOnly = access.frozen || !access.writable || (flags & BPF.BPF_F_RDONLY_PROG) !== 0;
  if (writable && readOnly) {
    return failure(
      access.frozen
        ? "It is frozen."
        : "It is read-only, for user space or for programs, whose verifier relies on its contents.",
      "Map it with { writable: false }.",
    );
  }
  return cause;
}
