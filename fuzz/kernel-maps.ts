/** The maps of a loaded module, in bytes: set to what the module declares, and read back. */
import { type BpfMap, type LoadedObject, MapOfMaps, RingBufferMap, type RingBufferReader } from "../src/index.ts";
import { type MapFd, mapDelete, mapLookup, mapNextKey, mapTake, mapUpdate } from "../src/sys/bpf.ts";
import { possibleCpus } from "../src/sys/cpus.ts";
import { type Contents, element } from "./map-model.ts";
import { placeInside } from "./map-of-maps-model.ts";
import { hex } from "./memory.ts";
import { placeOf } from "./queue-model.ts";
import { isIndexed, isOfMaps, isPerCpu, isQueue, isRedirect, type MapDeclaration, type Module } from "./tree.ts";

/** A map of the module, or one that lies in a map of maps. */
interface Place {
  map: MapDeclaration;
  fd: MapFd;
  /** What the evaluation puts in front of its keys. */
  prefix: string;
  /** Of a ring buffer. */
  reader: RingBufferReader<Uint8Array> | null;
}

export class KernelMaps {
  readonly #maps: Place[] = [];
  readonly #inners: BpfMap[] = [];

  /** Fills what stays as it is. */
  constructor(module: Module, object: LoadedObject) {
    for (const map of module.maps) {
      if (isOfMaps(map)) {
        const outer = object.map(map.name, MapOfMaps);
        for (const inner of map.inners ?? []) {
          const made = outer.create();
          this.#inners.push(made);
          put(map, outer.fd, inner.at, new Uint8Array(Uint32Array.of(made.fd.number).buffer));
          this.#add(inner, made, placeInside(hex(inner.at), ""));
        }
      } else this.#add(map, object.map(map.name), "");
    }
    for (const { map, fd } of this.#maps) {
      if (!isRedirect(map) && map.kind !== "bloomFilter") continue;
      for (const { key, value } of map.contents) put(map, fd, isRedirect(map) ? key : null, value);
    }
  }

  #add(map: MapDeclaration, loaded: BpfMap, prefix: string): void {
    const reader = loaded instanceof RingBufferMap ? loaded.reader({ decode: (bytes) => bytes }) : null;
    this.#maps.push({ map, fd: loaded.fd, prefix, reader });
  }

  /** The maps in maps of maps; the others are closed with their object. */
  close(): void {
    for (const inner of this.#inners) inner.close();
  }

  /** Contents as before each packet, but for Bloom filters, out of which nothing can be taken. */
  reset(): void {
    for (const { map, fd, reader } of this.#maps) {
      if (isRedirect(map) || map.kind === "bloomFilter") continue;
      if (reader !== null) {
        records(reader);
        continue;
      }
      if (isQueue(map)) {
        takeAll(map, fd);
        for (const { value } of map.contents) mapUpdate(fd, null, value, 0);
        continue;
      }
      for (const key of this.#keys(map, fd)) {
        if (isIndexed(map)) mapUpdate(fd, key, new Uint8Array(bytesOf(map)), 0);
        else mapDelete(fd, key);
      }
      for (const { key, value } of map.contents) {
        const bytes = new Uint8Array(bytesOf(map));
        for (let at = 0; at < bytes.length; at += stride(map)) bytes.set(value, at);
        put(map, fd, key, bytes);
      }
    }
  }

  /**
   * One line an element, as the evaluation has it. A test run may happen on any CPU: where one copy is what the evaluation wants of the
   * CPU that ran, and all others are what it wants of the others, they are reported as that.
   */
  describe(wanted: ReadonlyMap<string, Contents>): string[] {
    const lines = new Map<string, string[]>();
    for (const place of this.#maps) {
      const { name } = place.map;
      lines.set(name, [...(lines.get(name) ?? []), ...this.#describe(place, wanted.get(name))]);
    }
    return [...lines.values()].flatMap((each) => each.sort());
  }

  #describe({ map, fd, prefix, reader }: Place, wanted: Contents | undefined): string[] {
    if (isRedirect(map)) return [];
    if (map.kind === "bloomFilter") {
      const values = [...(wanted?.keys() ?? [])].filter((value) => hasValue(fd, Buffer.from(value, "hex")));
      return values.map((value) => element(map.name, value, { own: value, others: null }));
    }
    if (reader !== null || isQueue(map)) {
      const values = reader === null ? takeAll(map, fd) : records(reader);
      if (map.kind === "stack") values.reverse();
      return values.map((value, index) => element(map.name, prefix + placeOf(index), { own: hex(value), others: null }));
    }
    return this.#keys(map, fd).map((key) => {
      const bytes = new Uint8Array(bytesOf(map));
      const result = mapLookup(fd, key, bytes);
      if (result < 0) throw new Error(`${map.name} has no ${hex(key)}: errno ${-result}`);
      const copies: string[] = [];
      for (let at = 0; at < bytes.length; at += stride(map)) copies.push(hex(bytes.subarray(at, at + map.value.size)));
      return describeElement(map, prefix + hex(key), copies, wanted);
    });
  }

  #keys(map: MapDeclaration, fd: MapFd): Uint8Array[] {
    const keys: Uint8Array[] = [];
    let last: Uint8Array | null = null;
    for (;;) {
      const next = new Uint8Array(map.key.size);
      if (mapNextKey(fd, last, next) < 0) return keys;
      keys.push(next);
      last = next;
    }
  }
}

/** What programs have submitted, in its order. */
function records(reader: RingBufferReader<Uint8Array>): Uint8Array[] {
  const found: Uint8Array[] = [];
  reader.drain((record) => found.push(record));
  return found;
}

function put({ name }: MapDeclaration, fd: MapFd, key: Uint8Array | null, value: Uint8Array): void {
  const result = mapUpdate(fd, key, value, 0);
  if (result < 0) throw new Error(`${name} does not take ${hex(key ?? value)}: errno ${-result}`);
}

/** Of a Bloom filter, which is asked with the value. */
function hasValue(fd: MapFd, value: Uint8Array): boolean {
  return mapLookup(fd, null, value) >= 0;
}

/** In the order in which they come out. */
function takeAll(map: MapDeclaration, fd: MapFd): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (;;) {
    const value = new Uint8Array(map.value.size);
    if (mapTake(fd, value) < 0) return values;
    values.push(value);
  }
}

function describeElement(map: MapDeclaration, key: string, copies: string[], wanted: Contents | undefined): string {
  const [first = "", second] = copies;
  if (!isPerCpu(map)) return element(map.name, key, { own: first, others: null });
  const expected = wanted?.get(key);
  const own = expected === undefined ? 0 : copies.findIndex((copy, index) => fits(copies, index, copy, expected));
  if (own < 0 || expected === undefined) return `${map.name} ${key}: ${copies.join(" | ")}`;
  return element(map.name, key, {
    own: copies[own] ?? "",
    others: second === undefined ? expected.others : (copies[own === 0 ? 1 : 0] ?? ""),
  });
}

function fits(
  copies: readonly string[],
  index: number,
  copy: string,
  { own, others }: { own: string; others: string | null },
): boolean {
  return copy === own && copies.every((each, at) => at === index || each === others);
}

/** Bytes from one CPU's copy to the next. */
function stride(map: MapDeclaration): number {
  return isPerCpu(map) ? Math.ceil(map.value.size / 8) * 8 : map.value.size;
}

function bytesOf(map: MapDeclaration): number {
  return isPerCpu(map) ? stride(map) * possibleCpus() : map.value.size;
}
