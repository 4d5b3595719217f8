/** BPF_MAP_TYPE_ARRAY_OF_MAPS and BPF_MAP_TYPE_HASH_OF_MAPS: a lookup gives a map. Only user space puts them in. */
import type { MapSpec } from "../../object/spec.ts";
import type { Region } from "../memory.ts";
import { type Element, ERRNO, keyText, VmMap } from "./map.ts";

export class VmMapOfMaps extends VmMap {
  readonly #maps = new Map<string, VmMap>();
  readonly #make: () => VmMap;

  /** `make` gives a new map of the shape that those inside have. */
  constructor(spec: MapSpec, make: () => VmMap) {
    super(spec, 1);
    this.#make = make;
  }

  /** For user space: a new map at `key`. */
  create(key: Uint8Array): VmMap {
    const map = this.#make();
    this.#maps.set(keyText(key), map);
    return map;
  }

  inner(key: Uint8Array): VmMap | null {
    return this.#maps.get(keyText(key)) ?? null;
  }

  inners(): Iterable<VmMap> {
    return this.#maps.values();
  }

  override lookup(): Region | null {
    return null;
  }

  override update(): bigint {
    return ERRNO.EINVAL;
  }

  /** For user space. */
  override delete(key: Uint8Array): bigint {
    return this.#maps.delete(keyText(key)) ? ERRNO.OK : ERRNO.ENOENT;
  }

  override elements(): Iterable<Element> {
    return [];
  }
}
