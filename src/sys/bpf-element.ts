/**
 * Single operations on a map's elements through memory that is laid out once: the attribute of bpf(2), a key and a value. Nothing is
 * allocated for an operation, which is what reading and writing a map element by element costs besides the system call itself.
 */
import { ATTR } from "./bpf-layout.ts";
import type { MapFd } from "./fd.ts";
import { addressOf, syscallResult } from "./ffi.ts";

const { fields, size: ATTR_SIZE } = ATTR.MAP_LOOKUP_ELEM;
const EINTR = 4;

export class ElementAccess {
  /** Filled in by the caller before an operation; empty for a map without keys. */
  readonly key: Uint8Array;
  /** Where `next` writes. */
  readonly nextKey: Uint8Array;
  /** Filled in before `update`, and by `lookup` and `take`. */
  readonly value: Uint8Array;
  readonly #map: MapFd;
  readonly #attr: DataView;
  /** Below 2^53 on every architecture. */
  readonly #address: number;
  readonly #addresses: { key: bigint; nextKey: bigint; value: bigint };

  /** `valueBytes` is what the kernel reads and writes: of a per-CPU map all copies. */
  constructor(map: MapFd, keySize: number, valueBytes: number) {
    const keyAt = ATTR_SIZE;
    const nextAt = keyAt + Math.ceil(keySize / 8) * 8;
    const valueAt = nextAt + Math.ceil(keySize / 8) * 8;
    // One buffer outside of the collected heap: its address stays.
    const buffer = new ArrayBuffer(valueAt + valueBytes);
    this.#map = map;
    this.#attr = new DataView(buffer, 0, ATTR_SIZE);
    this.key = new Uint8Array(buffer, keyAt, keySize);
    this.nextKey = new Uint8Array(buffer, nextAt, keySize);
    this.value = new Uint8Array(buffer, valueAt, valueBytes);
    const address = addressOf(new Uint8Array(buffer));
    this.#address = Number(address);
    this.#addresses = {
      key: keySize === 0 ? 0n : address + BigInt(keyAt),
      nextKey: address + BigInt(nextAt),
      value: address + BigInt(valueAt),
    };
    this.#attr.setBigUint64(fields.key[0], this.#addresses.key, true);
    this.#attr.setBigUint64(fields.value[0], this.#addresses.value, true);
  }

  /** Reads the value of `key` into `value`. Returns 0 or a negative errno (-ENOENT: no such key). */
  lookup(): number {
    return this.#call(ATTR.MAP_LOOKUP_ELEM.command, 0);
  }

  /** Reads the value of `key` into `value` and deletes the element, in one step (hashes: Linux 5.14). Returns 0 or a negative errno. */
  take(): number {
    return this.#call(ATTR.MAP_LOOKUP_AND_DELETE_ELEM.command, 0);
  }

  /** `flags`: BPF_ANY, BPF_NOEXIST, BPF_EXIST. Returns 0 or a negative errno. */
  update(flags: number): number {
    return this.#call(ATTR.MAP_UPDATE_ELEM.command, flags);
  }

  /** Returns 0 or a negative errno (-ENOENT: no such key). */
  delete(): number {
    // What a command does not use must be 0.
    this.#attr.setBigUint64(fields.value[0], 0n, true);
    const result = this.#call(ATTR.MAP_DELETE_ELEM.command, 0);
    this.#attr.setBigUint64(fields.value[0], this.#addresses.value, true);
    return result;
  }

  /** Writes the key after `key`, or the first one, into `nextKey`. Returns 0 or a negative errno (-ENOENT: there is none). */
  next(first: boolean): number {
    this.#attr.setBigUint64(fields.next_key[0], this.#addresses.nextKey, true);
    if (first) this.#attr.setBigUint64(fields.key[0], 0n, true);
    const result = this.#call(ATTR.MAP_GET_NEXT_KEY.command, 0);
    this.#attr.setBigUint64(fields.value[0], this.#addresses.value, true);
    if (first) this.#attr.setBigUint64(fields.key[0], this.#addresses.key, true);
    return result;
  }

  #call(command: number, flags: number): number {
    this.#attr.setUint32(fields.map_fd[0], this.#map.number, true);
    this.#attr.setUint32(fields.flags[0], flags, true);
    for (;;) {
      const result = syscallResult("bpf", command, this.#address, ATTR_SIZE);
      if (result !== -EINTR) return result;
    }
  }
}
