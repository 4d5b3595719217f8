/**
 * Maps with one value for each key, seen through typed keys and values. Other types of maps are these with other codecs, which is why what is
 * read (`K`, `V`) and what may be written (`KeyInput`, `ValueInput`) can differ: a device goes in as a number and a program, and comes out as a
 * number and a program's id.
 */
import { checkOptionNames, wrongArgument } from "../arguments.ts";
import type { Codec } from "./codecs.ts";
import { type Chunk, Elements, UPDATE_MODES, type UpdateMode } from "./elements.ts";
import { BpfMap, type MapParts } from "./map.ts";

export interface UpdateOptions {
  /** "noexist": only add, "exist": only change; "any" (default): both. */
  flags?: UpdateMode;
}

const NO_OPTIONS: UpdateOptions = {};
const NAMES: Record<keyof UpdateOptions, true> = { flags: true };

export interface TableCodecs {
  key: Codec;
  value: Codec;
}

export abstract class TableMap<K, V, KeyInput = K, ValueInput = V> extends BpfMap {
  readonly #key: Codec;
  readonly #value: Codec;
  protected readonly elements: Elements;

  constructor(parts: MapParts, { key, value }: TableCodecs = parts) {
    super(parts);
    this.#key = key;
    this.#value = value;
    this.elements = new Elements({ ...parts, valueBytes: value.size });
  }

  /** Lays the key down for the next operation. */
  protected place(key: KeyInput): void {
    this.#key.encode(key, this.elements.key);
  }

  /** A copy of the value; undefined when there is no such key. @throws WirescriptError (MAP) */
  get(key: KeyInput): V | undefined {
    this.place(key);
    return this.elements.lookup(key) ? this.decodeValue() : undefined;
  }

  /** Is there such a key? @throws WirescriptError (MAP) */
  has(key: KeyInput): boolean {
    this.place(key);
    return this.elements.lookup(key);
  }

  /**
   * Writes the whole value at once.
   *
   * @throws WirescriptError MAP: the map is full or frozen, the index is out of range, the value does not fit its type, or `flags` does
   * not allow it.
   */
  set(key: KeyInput, value: ValueInput, options: UpdateOptions = NO_OPTIONS): void {
    this.#value.encode(value, this.elements.value);
    this.place(key);
    this.elements.update(this.#modeOf(options), key);
  }

  /**
   * Writes many entries, thousands in one system call where the kernel can (Linux 5.6; it knows no `flags` there). Returns how many.
   *
   * @throws WirescriptError MAP as `set` does; the entries before the one that it names are written.
   */
  setMany(entries: Iterable<readonly [key: KeyInput, value: ValueInput]>, options: UpdateOptions = NO_OPTIONS): number {
    const mode = this.#modeOf(options);
    const chunk = this.elements.newChunk();
    const { size: keySize } = this.#key;
    const { size: valueSize } = this.#value;
    let written = 0;
    const flush = () => {
      const full = { ...chunk };
      chunk.count = 0;
      if (full.count > 0) this.elements.writeMany(full, mode, (index) => this.#keyAt(full, index));
      written += full.count;
    };
    try {
      for (const [key, value] of entries) {
        this.#key.encode(key, chunk.bytes, chunk.count * keySize);
        this.#value.encode(value, chunk.bytes, chunk.valuesAt + chunk.count * valueSize);
        if (++chunk.count === chunk.capacity) flush();
      }
    } finally {
      // Also when an entry does not fit its type: what came before it is written.
      flush();
    }
    return written;
  }

  /**
   * All entries, each once, in no particular order. Safe while programs, other processes and the loop itself change the map: an entry that
   * is there from start to end is given once, one that comes or goes meanwhile may or may not be.
   *
   * @throws WirescriptError MAP when the map's entries are deleted faster than they can be read (tries and tables of devices only).
   */
  *entries(): Generator<[key: K, value: V]> {
    for (const chunk of this.elements.chunks()) {
      for (let index = 0; index < chunk.count; index++) yield [this.#keyAt(chunk, index), this.#valueAt(chunk, index)];
    }
  }

  *keys(): Generator<K> {
    for (const chunk of this.elements.chunks()) {
      for (let index = 0; index < chunk.count; index++) yield this.#keyAt(chunk, index);
    }
  }

  *values(): Generator<V> {
    for (const chunk of this.elements.chunks()) {
      for (let index = 0; index < chunk.count; index++) yield this.#valueAt(chunk, index);
    }
  }

  /** Calls `visit` for each entry, as `entries` gives them: the fastest way through a large map. */
  forEach(visit: (value: V, key: K) => void): void {
    for (const chunk of this.elements.chunks()) {
      for (let index = 0; index < chunk.count; index++) visit(this.#valueAt(chunk, index), this.#keyAt(chunk, index));
    }
  }

  /** How many entries there are now. The kernel does not count: they are walked. */
  count(): number {
    let count = 0;
    for (const each of this.counts()) count += each;
    return count;
  }

  /** As `count`, in parts of some thousand entries: for those who let others have their turn in between. */
  *counts(): Generator<number> {
    for (const chunk of this.elements.chunks()) yield chunk.count;
  }

  [Symbol.iterator](): Generator<[key: K, value: V]> {
    return this.entries();
  }

  /** A mistyped "noexist" must not overwrite what is there. */
  #modeOf(options: UpdateOptions): UpdateMode {
    if (options === NO_OPTIONS) return "any";
    const what = `Nothing was written to the map "${this.name}".`;
    checkOptionNames(what, options, NAMES);
    const { flags = "any" } = options;
    if (UPDATE_MODES.has(flags)) return flags;
    throw wrongArgument(what, flags, '`flags` is "noexist", "exist" or "any"', "Give one of these, or leave it out.");
  }

  /** What an operation has left behind as the value. */
  protected decodeValue(): V {
    // The codec was made from the map's types, which the type parameters state.
    return this.#value.decode(this.elements.value) as V;
  }

  protected decodeEntries(chunk: Chunk): [key: K, value: V][] {
    return Array.from({ length: chunk.count }, (_, index) => [this.#keyAt(chunk, index), this.#valueAt(chunk, index)]);
  }

  #keyAt(chunk: Chunk, index: number): K {
    return this.#key.decode(chunk.bytes, index * this.#key.size) as K;
  }

  #valueAt(chunk: Chunk, index: number): V {
    return this.#value.decode(chunk.bytes, chunk.valuesAt + index * this.#value.size) as V;
  }
}

/** A table whose entries come and go. */
export abstract class KeyedMap<K, V, KeyInput = K, ValueInput = V> extends TableMap<K, V, KeyInput, ValueInput> {
  /** False when there was no such key. @throws WirescriptError (MAP) */
  delete(key: KeyInput): boolean {
    this.place(key);
    return this.elements.delete(key);
  }

  /** Deletes many keys, thousands in one system call where the kernel can (Linux 5.6). Returns how many were there. @throws WirescriptError (MAP) */
  deleteMany(keys: Iterable<KeyInput>): number {
    const chunk = this.elements.newChunk();
    const given: KeyInput[] = [];
    let deleted = 0;
    const flush = () => {
      const full = { ...chunk };
      const shown = given.splice(0);
      chunk.count = 0;
      if (full.count > 0) deleted += this.elements.deleteMany(full, (index) => shown[index]);
    };
    try {
      for (const key of keys) {
        this.place(key);
        chunk.bytes.set(this.elements.key, chunk.count * this.keySize);
        given.push(key);
        if (++chunk.count === chunk.capacity) flush();
      }
    } finally {
      flush();
    }
    return deleted;
  }

  /**
   * Deletes the entry and gives its last value, in one step, so that no change by a program gets lost in between (hash types, Linux 5.14;
   * elsewhere in two steps). Undefined when there was none.
   *
   * @throws WirescriptError (MAP)
   */
  take(key: KeyInput): V | undefined {
    this.place(key);
    return this.elements.take(key) ? this.decodeValue() : undefined;
  }

  /**
   * Deletes all entries and gives them, in no particular order: counters are collected and start anew without losing a count (hash types,
   * Linux 5.6; elsewhere each entry is read, then deleted).
   *
   * @throws WirescriptError (MAP)
   */
  takeAll(): [key: K, value: V][] {
    const entries: [K, V][] = [];
    for (const chunk of this.elements.takenChunks()) for (const entry of this.decodeEntries(chunk)) entries.push(entry);
    return entries;
  }

  /** Deletes all entries that are there. Returns how many. @throws WirescriptError (MAP) */
  clear(): number {
    let count = 0;
    for (const chunk of this.elements.takenChunks()) count += chunk.count;
    return count;
  }
}
