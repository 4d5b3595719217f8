/**
 * A map of anybody's as text and JSON: any entry, all entries, changed entries. It goes by the bytes and the kernel's types alone, so that it
 * reads maps of every type that user space can read at all; `maps/` has the typed classes for programs.
 */
import { withArticle } from "../article.ts";
import { WirescriptError } from "../errors.ts";
import { MAP_TYPE } from "../object/spec.ts";
import { BPF, type KernelMapInfo, type MapFd, mapInfo, mapLookup, mapUpdate } from "../sys/bpf.ts";
import { possibleCpus } from "../sys/cpus.ts";
import { isErrno } from "../sys/errno.ts";
import { getLink } from "../sys/netlink/index.ts";
import { openMapFd, openProgram } from "./kernel-objects.ts";
import { type MapTypes, mapTypes } from "./map-types.ts";
import { Elements } from "./maps/elements.ts";
import { mapFailure } from "./maps/failure.ts";
import { sumValues } from "./maps/sum.ts";
import { isPerCpu, mapTypeName } from "./maps/type-name.ts";
import { parseSelector } from "./selector.ts";
import { fromText, type Plain, plainText, toPlain } from "./value-text.ts";

const ENOENT = 2;

export interface MapEntry {
  /** Null for maps without keys. */
  key: Plain;
  /** For a per-CPU map the sum, or null when the values have none. */
  value: Plain;
  /** For a per-CPU map: each possible CPU's value. */
  values?: Plain[];
}

/** Maps whose values are numbers of other things, by what these are. */
const REFERS: ReadonlyMap<number, readonly string[]> = new Map([
  [MAP_TYPE.PROG_ARRAY, ["programId"]],
  [MAP_TYPE.ARRAY_OF_MAPS, ["mapId"]],
  [MAP_TYPE.HASH_OF_MAPS, ["mapId"]],
  [MAP_TYPE.DEVMAP, ["ifindex", "programId"]],
  [MAP_TYPE.DEVMAP_HASH, ["ifindex", "programId"]],
  [MAP_TYPE.CPUMAP, ["queueSize", "programId"]],
]);

const KEYLESS = new Set<number>([MAP_TYPE.QUEUE, MAP_TYPE.STACK]);
/** What user space cannot read entry by entry. */
const UNREADABLE = new Set<number>([MAP_TYPE.RINGBUF, MAP_TYPE.PERF_EVENT_ARRAY, MAP_TYPE.BLOOM_FILTER]);

export class MapReader implements Disposable {
  readonly info: KernelMapInfo;
  readonly perCpu: boolean;
  readonly types: MapTypes;
  readonly #fd: MapFd;
  readonly #elements: Elements;
  /** Bytes from one CPU's value to the next. */
  readonly #stride: number;
  /** Bytes that one lookup gives. */
  readonly #valueBytes: number;

  /** Takes over the descriptor. */
  constructor(fd: MapFd) {
    this.#fd = fd;
    this.info = mapInfo(fd);
    this.perCpu = isPerCpu(this.info.type);
    this.#stride = Math.ceil(this.info.valueSize / 8) * 8;
    this.types = mapTypes(this.info);
    this.#valueBytes = this.perCpu ? this.#stride * possibleCpus() : this.info.valueSize;
    this.#elements = new Elements({ ...this.info, fd, valueBytes: this.#valueBytes });
  }

  /** False for ring buffers, Bloom filters and the like. */
  get readable(): boolean {
    return !UNREADABLE.has(this.info.type);
  }

  /** Queues, stacks and Bloom filters have values only. */
  get keyless(): boolean {
    return KEYLESS.has(this.info.type) || this.info.type === MAP_TYPE.BLOOM_FILTER;
  }

  /** All entries; of a queue or stack the one that would come out next. @throws WirescriptError (MAP) */
  *entries(): Generator<MapEntry> {
    if (!this.readable) throw mapFailure({ ...this.info, fd: this.#fd }, "list", 524);
    if (KEYLESS.has(this.info.type)) {
      const value = new Uint8Array(this.info.valueSize);
      const result = mapLookup(this.#fd, null, value);
      if (result === 0) yield { key: null, value: this.#valueOf(value) };
      else if (result !== -ENOENT) throw mapFailure({ ...this.info, fd: this.#fd }, "read", -result);
      return;
    }
    const { keySize } = this.info;
    for (const { bytes, count, valuesAt } of this.#elements.chunks()) {
      for (let index = 0; index < count; index++) {
        const at = valuesAt + index * this.#valueBytes;
        yield this.#entry(bytes.subarray(index * keySize, (index + 1) * keySize), bytes.subarray(at, at + this.#valueBytes));
      }
    }
  }

  /** Undefined when there is no such key. @throws WirescriptError USAGE for a key that is none, MAP. */
  get(key: string): MapEntry | undefined {
    return this.#elements.lookup(this.#place(key)) ? this.#entry(this.#elements.key, this.#elements.value) : undefined;
  }

  /**
   * Writes an entry; in a per-CPU map the same value for all CPUs. Programs and maps are named by id, name or pin, devices by name or index.
   *
   * @throws WirescriptError USAGE for a key or value that is none, MAP.
   */
  set(key: string | null, value: string, mode: "any" | "noexist" | "exist"): void {
    const { valueSize } = this.info;
    using reference = this.#reference(value);
    let bytes = reference?.bytes ?? this.#value(value);
    if (this.perCpu) {
      const one = bytes;
      bytes = new Uint8Array(this.#stride * possibleCpus());
      for (let at = 0; at < bytes.length; at += this.#stride) bytes.set(one.subarray(0, valueSize), at);
    }
    if (this.keyless) {
      const result = mapUpdate(this.#fd, null, bytes, BPF.BPF_ANY);
      if (result < 0) throw mapFailure({ ...this.info, fd: this.#fd }, "push", -result, value);
      return;
    }
    const shown = this.#place(key ?? "");
    this.#elements.value.set(bytes);
    try {
      this.#elements.update(mode, shown);
    } catch (error) {
      if (reference === null || !isErrno((error as Error).cause, "EINVAL")) throw error;
      throw new WirescriptError({
        code: "MAP",
        what: `${value} cannot be put into the map "${this.info.name}".`,
        why: "A map of maps takes maps of one type and size only, an array of programs programs of one type; the verifier has relied on that.",
        fix: "Put in one that is like those that are there, or like the program that uses the map expects.",
        cause: error,
      });
    }
  }

  /** False when there was no such key. @throws WirescriptError USAGE for a key that is none, MAP. */
  delete(key: string): boolean {
    return this.#elements.delete(this.#place(key));
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }

  /** Puts a key where operations take it from, and gives it for messages. */
  #place(text: string): Plain {
    if (this.keyless) {
      throw new WirescriptError({
        code: "USAGE",
        what: `The map "${this.info.name}" has no keys.`,
        why: `It is ${withArticle(mapTypeName(this.info.type))}: it has values only.`,
        fix: `Put a value in: wirescript maps set ${this.info.id} VALUE, or see what comes out next: wirescript maps dump ${this.info.id}`,
      });
    }
    const { key } = this.types.codecs;
    const isIndex = this.types.key === null && typeof key.decode(new Uint8Array(this.info.keySize)) === "number";
    const given = isIndex && /^\d{1,10}$/.test(text) ? Number(text) : fromText(this.types.key, this.info.keySize, text, "key");
    if (given instanceof Uint8Array && isIndex) this.#elements.key.set(given);
    else key.encode(given, this.#elements.key);
    return toPlain(this.types.key, key.decode(this.#elements.key));
  }

  #value(text: string): Uint8Array {
    const bytes = new Uint8Array(this.info.valueSize);
    this.types.codecs.value.encode(fromText(this.types.value, this.info.valueSize, text, "value"), bytes);
    return bytes;
  }

  /** A value that the kernel wants as a descriptor, or as numbers. Null for all others. */
  #reference(text: string): ({ bytes: Uint8Array } & Disposable) | null {
    const [what] = REFERS.get(this.info.type) ?? [];
    if (what === undefined) return null;
    const bytes = new Uint8Array(this.info.valueSize);
    const view = new DataView(bytes.buffer);
    if (what === "programId" || what === "mapId") {
      const selector = parseSelector(text.split(/\s+/), what === "programId" ? "program" : "map");
      const fd = what === "programId" ? openProgram(selector) : openMapFd(selector);
      view.setUint32(0, fd.number, true);
      return { bytes, [Symbol.dispose]: () => fd.close() };
    }
    if (/^[[{]/.test(text) || text.length === this.info.valueSize * 2) return null;
    if (/^\d+$/.test(text)) view.setUint32(0, Number(text), true);
    else if (what === "ifindex") view.setUint32(0, getLink(text).ifindex, true);
    else return null;
    return { bytes, [Symbol.dispose]() {} };
  }

  #entry(key: Uint8Array, value: Uint8Array): MapEntry {
    const shown = toPlain(this.types.key, this.types.codecs.key.decode(key));
    if (!this.perCpu) return { key: shown, value: this.#valueOf(value) };
    const copies = Array.from({ length: possibleCpus() }, (_, cpu) =>
      this.types.codecs.value.decode(value, cpu * this.#stride),
    );
    const values = copies.map((copy) => toPlain(this.types.value, copy));
    return { key: shown, value: this.#sum(copies), values };
  }

  #sum(copies: unknown[]): Plain {
    try {
      return toPlain(this.types.value, sumValues(copies, this.info.name));
    } catch {
      // Addresses and the like have no sum.
      return null;
    }
  }

  #valueOf(bytes: Uint8Array): Plain {
    const names = REFERS.get(this.info.type);
    if (names === undefined) return toPlain(this.types.value, this.types.codecs.value.decode(bytes));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = names.slice(0, bytes.length / 4).map((name, index) => [name, view.getUint32(index * 4, true)] as const);
    // A target without a program of its own.
    return Object.fromEntries(words.filter(([name, word], index) => index === 0 || name !== "programId" || word !== 0));
  }
}

/** What an entry was and is; null where there was or is none. */
export interface EntryChange {
  key: Plain;
  before: Plain;
  after: Plain;
}

/** The entries of a map by their keys, for comparing with a later state. Null when it cannot be read, or has more than `limit`. */
export function snapshot(map: MapReader, limit: number): Map<string, MapEntry> | null {
  if (!map.readable) return null;
  const entries = new Map<string, MapEntry>();
  try {
    for (const entry of map.entries()) {
      if (entries.size >= limit) return null;
      entries.set(plainText(entry.key), entry);
    }
  } catch (error) {
    // Of a type that user space cannot read.
    if (error instanceof WirescriptError) return null;
    throw error;
  }
  return entries;
}

/** Entries that came, went, or have another value. */
export function compareSnapshots(before: ReadonlyMap<string, MapEntry>, after: ReadonlyMap<string, MapEntry>): EntryChange[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].flatMap((text) => {
    const [old, now] = [before.get(text), after.get(text)];
    const same = old !== undefined && now !== undefined && shownValue(old) === shownValue(now);
    return same ? [] : [{ key: (now ?? old)?.key ?? null, before: old?.value ?? null, after: now?.value ?? null }];
  });
}

function shownValue({ value, values }: MapEntry): string {
  return values === undefined ? plainText(value) : plainText(values);
}
