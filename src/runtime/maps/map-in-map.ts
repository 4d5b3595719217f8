/** Maps of maps in user space: the twins of `kernel/maps/map-in-map.ts`. Here the maps inside are made, put in, and exchanged. */
import { WirescriptError } from "../../errors.ts";
import { type MapFd, mapById } from "../../sys/bpf.ts";
import { isErrno, SyscallError } from "../../sys/errno.ts";
import { Elements } from "./elements.ts";
import { BpfMap, type MapParts } from "./map.ts";
import type { LoadedMap } from "./open.ts";
import type { UpdateOptions } from "./table.ts";
import { mapTypeName } from "./type-name.ts";

export interface InnerMaps {
  open(fd: MapFd): LoadedMap;
  create(name: string | undefined): LoadedMap;
}

export class MapOfMaps<K = unknown, M extends BpfMap = BpfMap> extends BpfMap {
  readonly kind = "mapOfMaps";
  readonly #key: MapParts["key"];
  readonly #inner: InnerMaps | undefined;
  readonly #elements: Elements;

  constructor(parts: MapParts) {
    super(parts);
    this.#key = parts.key;
    this.#inner = parts.innerMaps;
    this.#elements = new Elements({ ...parts, valueBytes: parts.valueSize });
  }

  #keyBytes(key: K): Uint8Array {
    const bytes = new Uint8Array(this.keySize);
    this.#key.encode(key, bytes);
    return bytes;
  }

  #innerMaps(): InnerMaps {
    if (this.#inner !== undefined) return this.#inner;
    throw new WirescriptError({
      code: "MAP",
      what: `It is not known what the maps in "${this.name}" look like.`,
      why: "A pin tells nothing about them; the module or object file that declares the map does.",
      fix: "Load that module with the same pin path.",
    });
  }

  /**
   * A new map of the shape that the maps in here have, not put anywhere yet. It lives as long as it is open, or in a map, or pinned.
   *
   * @throws WirescriptError MAP, NO_PRIVILEGES.
   */
  create(name?: string): M {
    // The type parameter states what the declaration of the maps inside says.
    return this.#innerMaps().create(name) as BpfMap as M;
  }

  /** The map that is there, opened anew: close it after use. Undefined when there is none. @throws WirescriptError (MAP) */
  get(key: K): M | undefined {
    const inner = this.#innerMaps();
    for (;;) {
      const bytes = this.#elements.lookup(this.#keyBytes(key), key);
      if (bytes === null) return undefined;
      const id = new DataView(bytes.buffer).getUint32(0, true);
      try {
        return inner.open(mapById(id)) as BpfMap as M;
      } catch (error) {
        // It was exchanged, and freed, between the two calls.
        if (!isErrno(error, "ENOENT")) throw error;
      }
    }
  }

  /**
   * Puts `map` there, in one step: programs find either the one before or this one.
   *
   * @throws WirescriptError MAP when `map` does not have the shape of the maps in here, when there is no room, or the index is out of range.
   */
  set(key: K, map: M, options: UpdateOptions = {}): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, map.fd.number, true);
    try {
      this.#elements.update(this.#keyBytes(key), bytes, options.flags ?? "any", key);
    } catch (error) {
      if (error instanceof WirescriptError && error.cause instanceof SyscallError && isErrno(error.cause, "EINVAL")) {
        throw this.#otherShape(map, error.cause);
      }
      throw error;
    }
  }

  #otherShape(map: BpfMap, cause: SyscallError): WirescriptError {
    const { flags } = map.info();
    const sizes = `key ${map.keySize} bytes, value ${map.valueSize} bytes, ${map.maxEntries} entries, flags ${flags}`;
    return new WirescriptError({
      code: "MAP",
      what: `The map "${map.name}" cannot be put into "${this.name}".`,
      why: `It is a ${mapTypeName(map.type)} (${sizes}), and the maps in "${this.name}" look different: the verifier has relied on that.`,
      fix: `Make it with create() of "${this.name}".`,
      cause,
    });
  }

  /** Takes the map out; false when there was none. @throws WirescriptError (MAP) */
  delete(key: K): boolean {
    return this.#elements.delete(this.#keyBytes(key), key);
  }

  /** The keys at which there are maps, in no particular order. */
  *keys(): Generator<K> {
    for (const [key] of this.#elements.entries()) yield this.#key.decode(key) as K;
  }
}
