/** Maps of maps in user space: the twins of `kernel/maps/map-in-map.ts`. Here the maps inside are made, put in, and exchanged. */
import { withArticle } from "../../article.ts";
import { WirescriptError } from "../../errors.ts";
import { type MapFd, mapById } from "../../sys/bpf.ts";
import { isErrno, SyscallError } from "../../sys/errno.ts";
import { type Codec, indexCodec } from "./codecs.ts";
import { BpfMap, type MapParts } from "./map.ts";
import type { LoadedMap } from "./open.ts";
import { KeyedMap, type UpdateOptions } from "./table.ts";
import { mapTypeName } from "./type-name.ts";

export interface InnerMaps {
  open(fd: MapFd): LoadedMap;
  /** Undefined where it is not known what the maps inside look like. */
  create?(name: string | undefined, entries: number | undefined, typed: boolean): LoadedMap;
}

export class MapOfMaps<K = unknown, M extends BpfMap = BpfMap> extends BpfMap {
  readonly kind = "mapOfMaps";
  readonly #inner: InnerMaps | undefined;
  readonly #ids: Ids<K>;

  constructor(parts: MapParts) {
    super(parts);
    this.#inner = parts.innerMaps;
    this.#ids = new Ids(parts);
  }

  #innerMaps(): InnerMaps {
    if (this.#inner !== undefined) return this.#inner;
    throw this.#unknownShape();
  }

  #unknownShape(): WirescriptError {
    return new WirescriptError({
      code: "MAP",
      what: `It is not known what the maps in "${this.name}" look like.`,
      why: "A map that was opened by its pin or id tells nothing about them; the module or object file that declares it does.",
      fix: "Load that module with the same pin path, or put a map in by its descriptor.",
    });
  }

  /**
   * A new map of the shape that the maps in here have, not put anywhere yet. It lives as long as it is open, or in a map, or pinned.
   * Where they are declared with `anySize`, it can have another number of `entries` than they say. With `typed: false` other tools see bytes in
   * it, which makes thousands of maps in a fraction of the time.
   *
   * @throws WirescriptError MAP, NO_PRIVILEGES.
   */
  create(name?: string, { entries, typed = true }: { entries?: number; typed?: boolean } = {}): M {
    const { create } = this.#innerMaps();
    if (create === undefined) throw this.#unknownShape();
    // The type parameter states what the declaration of the maps inside says.
    return create(name, entries, typed) as BpfMap as M;
  }

  /** The map that is there, opened anew: close it after use. Undefined when there is none. @throws WirescriptError (MAP) */
  get(key: K): M | undefined {
    const inner = this.#innerMaps();
    for (;;) {
      const id = this.#ids.get(key);
      if (id === undefined) return undefined;
      try {
        return inner.open(mapById(id)) as BpfMap as M;
      } catch (error) {
        // It was exchanged, and freed, between the two calls.
        if (!isErrno(error, "ENOENT")) throw error;
      }
    }
  }

  /** The id of the map that is there, as `openMap` takes it; undefined when there is none. @throws WirescriptError (MAP) */
  idAt(key: K): number | undefined {
    return this.#ids.get(key);
  }

  /**
   * Puts `map`, or the one behind a descriptor, there, in one step: programs find either the one before or this one.
   *
   * @throws WirescriptError MAP when `map` does not have the shape of the maps in here, when there is no room, or the index is out of range.
   */
  set(key: K, map: M | MapFd, options: UpdateOptions = {}): void {
    try {
      this.#ids.set(key, map instanceof BpfMap ? map.fd.number : map.number, options);
    } catch (error) {
      if (error instanceof WirescriptError && error.cause instanceof SyscallError && isErrno(error.cause, "EINVAL")) {
        throw this.#otherShape(map, error.cause);
      }
      throw error;
    }
  }

  #otherShape(map: BpfMap | MapFd, cause: SyscallError): WirescriptError {
    if (!(map instanceof BpfMap)) {
      return new WirescriptError({
        code: "MAP",
        what: `The map behind the descriptor cannot be put into "${this.name}".`,
        why: `It does not look like the maps in "${this.name}", or is none: the verifier has relied on their type, sizes and flags.`,
        fix: `Make it with create() of "${this.name}".`,
        cause,
      });
    }
    const { flags } = map.info();
    const sizes = `key ${map.keySize} bytes, value ${map.valueSize} bytes, ${map.maxEntries} entries, flags ${flags}`;
    return new WirescriptError({
      code: "MAP",
      what: `The map "${map.name}" cannot be put into "${this.name}".`,
      why: `It is ${withArticle(mapTypeName(map.type))} (${sizes}), and the maps in "${this.name}" look different: the verifier has relied on that.`,
      fix: `Make it with create() of "${this.name}".`,
      cause,
    });
  }

  /**
   * Puts many maps in, hundreds in one system call where the kernel can (Linux 5.14): after each call the kernel waits until no program uses what
   * was there before, which takes milliseconds. Each is put in in one step.
   *
   * @throws WirescriptError MAP as `set` does.
   */
  setMany(entries: Iterable<readonly [key: K, map: M | MapFd]>): number {
    const numbers = Array.from(entries, ([key, map]) => [key, map instanceof BpfMap ? map.fd.number : map.number] as const);
    return this.#ids.setMany(numbers);
  }

  /** Takes the map out; false when there was none. @throws WirescriptError (MAP) */
  delete(key: K): boolean {
    return this.#ids.delete(key);
  }

  /** The keys at which there are maps, in no particular order. */
  keys(): Generator<K> {
    return this.#ids.keys();
  }

  /** The keys at which there are maps with the maps' ids, as `openMap` takes them. */
  entries(): Generator<[key: K, id: number]> {
    return this.#ids.entries();
  }

  [Symbol.iterator](): Generator<[key: K, id: number]> {
    return this.entries();
  }
}

/** What the kernel keeps: put in as descriptors, read as ids. */
class Ids<K> extends KeyedMap<K, number> {
  constructor(parts: MapParts) {
    // The codec of an index takes and gives numbers.
    super(parts, { key: parts.key, value: indexCodec as Codec });
  }
}
