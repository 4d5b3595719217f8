/**
 * A map's elements as bytes: single operations, many at once, and a walk over all of them that stays correct while programs and other
 * processes change the map.
 *
 * Hash tables are walked in batches: the kernel copies whole buckets under their lock, so an element that is there all the time comes
 * exactly once. Arrays are walked by index. What is left, tries and tables of devices, goes from key to key: when the key that it stands
 * on is deleted, the kernel starts over from the first one, so keys that came already are remembered and not given again. Where the kernel
 * has no batches for a type, which it says with the errno of the first, elements are read one by one.
 */
import { WirescriptError } from "../../errors.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import { BPF, type MapFd, mapDeleteBatch, mapLookupAndDeleteBatch, mapLookupBatch, mapUpdateBatch } from "../../sys/bpf.ts";
import { ElementAccess } from "../../sys/bpf-element.ts";
import { errnoName } from "../../sys/errno.ts";
import { mapFailure } from "./failure.ts";

/** How `set` treats an existing element. */
export type UpdateMode = "any" | "noexist" | "exist";

const FLAG = { any: BPF.BPF_ANY, noexist: BPF.BPF_NOEXIST, exist: BPF.BPF_EXIST } as const;
export const UPDATE_MODES: ReadonlySet<string> = new Set(Object.keys(FLAG));
const ENOENT = 2;
const EINTR = 4;
const ENOSPC = 28;

/** Types whose batches are whole buckets. */
const BUCKETS = new Set<number>([
  MAP_TYPE.HASH,
  MAP_TYPE.LRU_HASH,
  MAP_TYPE.PERCPU_HASH,
  MAP_TYPE.LRU_PERCPU_HASH,
  MAP_TYPE.HASH_OF_MAPS,
]);

/** Types whose keys are the numbers from 0 on. */
const INDEXED = new Set<number>([
  MAP_TYPE.ARRAY,
  MAP_TYPE.PERCPU_ARRAY,
  MAP_TYPE.ARRAY_OF_MAPS,
  MAP_TYPE.PROG_ARRAY,
  MAP_TYPE.DEVMAP,
  MAP_TYPE.CPUMAP,
]);

/** Types that do not tell whether there was something to delete. */
const SAYS_ALWAYS_YES = new Set<number>([MAP_TYPE.DEVMAP, MAP_TYPE.CPUMAP]);

/** Several thousand elements of usual size: more does not get faster. */
const BATCH_BYTES = 1 << 17;
const MOST_IN_BATCH = 8192;

export interface ElementsOf {
  fd: MapFd;
  name: string;
  type: number;
  keySize: number;
  /** Bytes that one lookup gives: for a per-CPU map all copies. */
  valueBytes: number;
  maxEntries: number;
}

/** Elements in a row; the memory is used again for the next ones. */
export interface Chunk {
  /** `count` keys from 0 on, then, from `valuesAt` on, as many values. */
  bytes: Uint8Array;
  count: number;
  valuesAt: number;
}

export class Elements {
  readonly #map: ElementsOf;
  readonly #access: ElementAccess;
  /** Where the caller writes the key, and for `update` the value, before an operation; `lookup` and `take` leave the value there. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;

  constructor(map: ElementsOf) {
    this.#map = map;
    this.#access = new ElementAccess(map.fd, map.keySize, map.valueBytes);
    this.key = this.#access.key;
    this.value = this.#access.value;
  }

  /** False when there is no such key. `shown` is the key as the user gave it, for messages. */
  lookup(shown: unknown): boolean {
    return this.#found(this.#access.lookup(), "read", shown);
  }

  /** Reads the element and deletes it; false when there was no such key. */
  take(shown: unknown): boolean {
    const result = this.#access.take();
    if (!isUnsupported(result)) return this.#found(result, "take", shown);
    return this.lookup(shown) && this.delete(shown);
  }

  update(mode: UpdateMode, shown: unknown): void {
    const result = this.#access.update(FLAG[mode]);
    if (result < 0) throw mapFailure(this.#map, "set", -result, shown);
  }

  /** False when there was no such key. */
  delete(shown: unknown): boolean {
    if (SAYS_ALWAYS_YES.has(this.#map.type) && !this.lookup(shown)) return false;
    return this.#found(this.#access.delete(), "delete", shown);
  }

  #found(result: number, operation: "read" | "delete" | "take", shown: unknown): boolean {
    if (result === -ENOENT) return false;
    if (result < 0) throw mapFailure(this.#map, operation, -result, shown);
    return true;
  }

  /** A chunk for `writeMany` and `deleteMany`, with room for `capacity` elements. */
  newChunk(): Chunk & { capacity: number } {
    const { keySize, valueBytes } = this.#map;
    const capacity = Math.max(1, Math.min(MOST_IN_BATCH, Math.floor(BATCH_BYTES / (keySize + valueBytes))));
    return { ...chunkFor(keySize, valueBytes, capacity), capacity };
  }

  /** Writes all elements of the chunk. `show` gives the key of one for messages. */
  writeMany(chunk: Chunk, mode: UpdateMode, show: (index: number) => unknown): void {
    const { fd, keySize, valueBytes } = this.#map;
    // The kernel's batches know no modes.
    if (mode === "any") {
      const { bytes, count, valuesAt } = chunk;
      const done = mapUpdateBatch(fd, bytes.subarray(0, count * keySize), bytes.subarray(valuesAt), count, 0);
      if (done.result === 0) return;
      if (!isUnsupported(done.result)) {
        throw mapFailure(this.#map, "set", -done.result, done.count < count ? show(done.count) : undefined);
      }
    }
    for (let index = 0; index < chunk.count; index++) {
      this.key.set(chunk.bytes.subarray(index * keySize, (index + 1) * keySize));
      const at = chunk.valuesAt + index * valueBytes;
      this.value.set(chunk.bytes.subarray(at, at + valueBytes));
      this.update(mode, show(index));
    }
  }

  /** Deletes the keys of the chunk; returns how many were there. */
  deleteMany(chunk: Chunk, show: (index: number) => unknown): number {
    const { fd, keySize } = this.#map;
    let deleted = 0;
    for (let index = 0; index < chunk.count; ) {
      const keys = chunk.bytes.subarray(index * keySize, chunk.count * keySize);
      const { result, count } = mapDeleteBatch(fd, keys, chunk.count - index);
      if (result === 0) return deleted + count;
      if (result === -ENOENT) {
        // The batch ends at a key that is not there.
        deleted += count;
        index += count + 1;
      } else if (isUnsupported(result)) {
        for (; index < chunk.count; index++) {
          this.key.set(chunk.bytes.subarray(index * keySize, (index + 1) * keySize));
          if (this.delete(show(index))) deleted++;
        }
      } else throw mapFailure(this.#map, "delete", -result, index + count < chunk.count ? show(index + count) : undefined);
    }
    return deleted;
  }

  /** All elements, each once. */
  *chunks(): Generator<Chunk, void> {
    if (INDEXED.has(this.#map.type)) {
      if (!(yield* this.#byBatch(mapLookupBatch, null))) yield* this.#byIndex();
    } else if (BUCKETS.has(this.#map.type)) {
      if (!(yield* this.#byBatch(mapLookupBatch, null))) yield* this.#byKey(new Seen(this.#map));
    } else {
      const seen = new Seen(this.#map);
      if (!(yield* this.#byBatch(mapLookupBatch, seen))) yield* this.#byKey(seen);
    }
  }

  /** All elements, each deleted when it is given: what is added meanwhile stays, or is given. */
  *takenChunks(): Generator<Chunk, void> {
    if (BUCKETS.has(this.#map.type) && (yield* this.#byBatch(mapLookupAndDeleteBatch, null))) return;
    const { keySize } = this.#map;
    for (const chunk of this.chunks()) {
      const taken = chunkFor(keySize, this.#map.valueBytes, chunk.count);
      for (let index = 0; index < chunk.count; index++) {
        this.key.set(chunk.bytes.subarray(index * keySize, (index + 1) * keySize));
        if (this.take(undefined)) append(taken, this.key, this.value);
      }
      yield taken;
    }
  }

  /** Returns false when the kernel has no batches for this map, or gave up; what was given until then is in `seen`. */
  *#byBatch(call: typeof mapLookupBatch, seen: Seen | null): Generator<Chunk, boolean> {
    const { fd, keySize, valueBytes, maxEntries } = this.#map;
    let room = Math.max(1, Math.min(maxEntries, MOST_IN_BATCH, Math.floor(BATCH_BYTES / (keySize + valueBytes))));
    let chunk = chunkFor(keySize, valueBytes, room);
    let start: Uint8Array | null = null;
    // A position that is read while the next one is written.
    const positions = [new Uint8Array(Math.max(4, keySize)), new Uint8Array(Math.max(4, keySize))] as const;
    for (;;) {
      const end: Uint8Array = start === positions[0] ? positions[1] : positions[0];
      const keys = chunk.bytes.subarray(0, room * keySize);
      const batch = call({ map: fd, start, end, keys, values: chunk.bytes.subarray(chunk.valuesAt), count: room });
      if (batch.result === -ENOSPC) {
        // A bucket holds more than was asked for.
        room *= 2;
        chunk = chunkFor(keySize, valueBytes, room);
        continue;
      }
      if (batch.result < 0 && batch.result !== -ENOENT) {
        if (start === null && isUnsupported(batch.result)) return false;
        // Before Linux 6.14 the kernel gives up when the keys that it wants to read are deleted again and again.
        if (batch.result === -EINTR && seen !== null) return false;
        throw mapFailure(this.#map, call === mapLookupBatch ? "list" : "take", -batch.result);
      }
      chunk.count = batch.count;
      seen?.filter(chunk);
      if (chunk.count > 0) yield chunk;
      if (batch.result === -ENOENT) return true;
      start = end;
    }
  }

  *#byIndex(): Generator<Chunk, void> {
    const { fd, keySize, valueBytes, maxEntries } = this.#map;
    // Operations of its own: the reader may use the others between two chunks.
    const access = new ElementAccess(fd, keySize, valueBytes);
    const index = new DataView(access.key.buffer, access.key.byteOffset);
    const chunk = chunkFor(keySize, valueBytes, 64);
    for (let at = 0; at < maxEntries; at++) {
      index.setUint32(0, at, true);
      const result = access.lookup();
      if (result === 0) append(chunk, access.key, access.value);
      else if (result !== -ENOENT) throw mapFailure(this.#map, "list", -result);
      if (chunk.count === 64) {
        yield chunk;
        chunk.count = 0;
      }
    }
    if (chunk.count > 0) yield chunk;
  }

  *#byKey(seen: Seen): Generator<Chunk, void> {
    const { fd, keySize, valueBytes } = this.#map;
    const access = new ElementAccess(fd, keySize, valueBytes);
    const chunk = chunkFor(keySize, valueBytes, 1);
    for (let first = true; ; first = false) {
      const next = access.next(first);
      if (next === -ENOENT) return;
      if (next < 0) throw mapFailure(this.#map, "list", -next);
      access.key.set(access.nextKey);
      if (!seen.isNew(access.key)) continue;
      const found = access.lookup();
      if (found === 0) {
        chunk.count = 0;
        append(chunk, access.key, access.value);
        yield chunk;
      } else if (found !== -ENOENT) throw mapFailure(this.#map, "list", -found);
    }
  }
}

/** Keys that came already in a walk which may start over. */
class Seen {
  readonly #map: ElementsOf;
  readonly #keys = new Set<string>();
  #steps = 0;

  constructor(map: ElementsOf) {
    this.#map = map;
  }

  isNew(key: Uint8Array): boolean {
    // Each restart walks over known keys again; a map that is changed faster than it can be walked must not hold us for ever.
    if (++this.#steps > 8 * (this.#map.maxEntries + 1)) throw this.#endless();
    const text = Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
    if (this.#keys.has(text)) return false;
    this.#keys.add(text);
    return true;
  }

  /** Leaves in the chunk what is new. */
  filter(chunk: Chunk): void {
    const { keySize, valueBytes } = this.#map;
    const { bytes, count, valuesAt } = chunk;
    chunk.count = 0;
    for (let index = 0; index < count; index++) {
      const key = bytes.subarray(index * keySize, (index + 1) * keySize);
      const at = valuesAt + index * valueBytes;
      if (this.isNew(key)) append(chunk, key, bytes.subarray(at, at + valueBytes));
    }
  }

  #endless(): WirescriptError {
    return new WirescriptError({
      code: "MAP",
      what: `The map "${this.#map.name}" could not be read to its end.`,
      why: "Entries are deleted faster than they can be read, and each time the kernel starts over from the first one.",
      fix: "Read it when there is less traffic, or look up single keys.",
    });
  }
}

function chunkFor(keySize: number, valueBytes: number, capacity: number): Chunk {
  const valuesAt = Math.ceil((capacity * keySize) / 8) * 8;
  return { bytes: new Uint8Array(new ArrayBuffer(valuesAt + capacity * valueBytes)), count: 0, valuesAt };
}

function append(chunk: Chunk, key: Uint8Array, value: Uint8Array): void {
  chunk.bytes.set(key, chunk.count * key.length);
  chunk.bytes.set(value, chunk.valuesAt + chunk.count * value.length);
  chunk.count++;
}

/** How the kernel says that it has no such command, or not for this type of map. */
function isUnsupported(result: number): boolean {
  return result < 0 && ["EINVAL", "ENOTSUPP", "EOPNOTSUPP"].includes(errnoName(-result));
}
