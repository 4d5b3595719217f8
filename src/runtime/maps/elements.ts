/**
 * A map's entries as bytes: single operations, and a walk over all of them that stays correct while programs and other processes
 * change the map.
 *
 * Hash tables are walked in batches: the kernel copies whole buckets under their lock, so an entry that is there all the time comes
 * exactly once. Where batches do not exist, the walk goes from key to key; when the key it stands on is deleted the kernel starts over
 * from the first key, so keys that came already are remembered and not given again.
 */
import { WirescriptError } from "../../errors.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import { BPF, type MapFd, mapDelete, mapLookup, mapLookupBatch, mapNextKey, mapUpdate } from "../../sys/bpf.ts";
import { errnoName } from "../../sys/errno.ts";
import { mapFailure } from "./failure.ts";

/** How `set` treats an existing entry. */
export type UpdateMode = "any" | "noexist" | "exist";

const FLAG = { any: BPF.BPF_ANY, noexist: BPF.BPF_NOEXIST, exist: BPF.BPF_EXIST } as const;
const ENOENT = 2;
const ENOSPC = 28;

/** Types whose batches neither repeat nor lose an entry when the map changes during the walk. */
const BATCHED = new Set<number>([
  MAP_TYPE.HASH,
  MAP_TYPE.LRU_HASH,
  MAP_TYPE.PERCPU_HASH,
  MAP_TYPE.LRU_PERCPU_HASH,
  MAP_TYPE.ARRAY,
  MAP_TYPE.PERCPU_ARRAY,
]);
const BATCH_BYTES = 1 << 16;

export interface ElementsOf {
  fd: MapFd;
  name: string;
  type: number;
  keySize: number;
  /** Bytes that one lookup gives: for a per-CPU map all copies. */
  valueBytes: number;
  maxEntries: number;
}

export class Elements {
  readonly #map: ElementsOf;

  constructor(map: ElementsOf) {
    this.#map = map;
  }

  /** Null when there is no such key. */
  lookup(key: Uint8Array, shown: unknown): Uint8Array | null {
    const value = new Uint8Array(this.#map.valueBytes);
    const result = mapLookup(this.#map.fd, key, value);
    if (result === -ENOENT) return null;
    if (result < 0) throw mapFailure(this.#map, "read", -result, shown);
    return value;
  }

  update(key: Uint8Array, value: Uint8Array, mode: UpdateMode, shown: unknown): void {
    const result = mapUpdate(this.#map.fd, key, value, FLAG[mode]);
    if (result < 0) throw mapFailure(this.#map, "set", -result, shown);
  }

  /** False when there was no such key. */
  delete(key: Uint8Array, shown: unknown): boolean {
    const result = mapDelete(this.#map.fd, key);
    if (result === -ENOENT) return false;
    if (result < 0) throw mapFailure(this.#map, "delete", -result, shown);
    return true;
  }

  /** Pairs of key and value. Both are views that are not overwritten later. */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array]> {
    if (BATCHED.has(this.#map.type) && (yield* this.#byBatch())) return;
    yield* this.#byKey();
  }

  /** Returns false, having given nothing, when the kernel has no batches for this map. */
  *#byBatch(): Generator<[Uint8Array, Uint8Array], boolean> {
    const { fd, keySize, valueBytes, maxEntries } = this.#map;
    let count = Math.max(1, Math.min(maxEntries, Math.floor(BATCH_BYTES / (keySize + valueBytes))));
    let start: Uint8Array | null = null;
    for (;;) {
      const keys = new Uint8Array(count * keySize);
      const values = new Uint8Array(count * valueBytes);
      const end = new Uint8Array(Math.max(4, keySize));
      const batch = mapLookupBatch({ map: fd, start, end, keys, values, count });
      if (batch.result === -ENOSPC) {
        // A bucket holds more than was asked for.
        count *= 2;
        continue;
      }
      if (batch.result < 0 && batch.result !== -ENOENT) {
        if (start === null && ["EINVAL", "ENOTSUPP", "EOPNOTSUPP"].includes(errnoName(-batch.result))) return false;
        throw mapFailure(this.#map, "list", -batch.result);
      }
      for (let index = 0; index < batch.count; index++) {
        yield [
          keys.subarray(index * keySize, (index + 1) * keySize),
          values.subarray(index * valueBytes, (index + 1) * valueBytes),
        ];
      }
      if (batch.result === -ENOENT) return true;
      start = end;
    }
  }

  *#byKey(): Generator<[Uint8Array, Uint8Array]> {
    const { fd, keySize, valueBytes, maxEntries, name } = this.#map;
    const seen = new Set<string>();
    let key: Uint8Array | null = null;
    // Each restart walks over known keys again; a map that is changed faster than it can be walked must not hold us for ever.
    for (let steps = 0; steps < 8 * (maxEntries + 1); steps++) {
      const next = new Uint8Array(keySize);
      const result = mapNextKey(fd, key, next);
      if (result === -ENOENT) return;
      if (result < 0) throw mapFailure(this.#map, "list", -result);
      key = next;
      const text = Buffer.from(next.buffer, next.byteOffset, keySize).toString("latin1");
      if (seen.has(text)) continue;
      seen.add(text);
      const value = new Uint8Array(valueBytes);
      const found = mapLookup(fd, next, value);
      if (found === 0) yield [next, value];
      else if (found !== -ENOENT) throw mapFailure(this.#map, "list", -found);
    }
    throw new WirescriptError({
      code: "MAP",
      what: `The map "${name}" could not be read to its end.`,
      why: "Entries are deleted faster than they can be read, and each time the kernel starts over from the first one.",
      fix: "Read it when there is less traffic, or look up single keys.",
    });
  }
}
