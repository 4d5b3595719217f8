/** Bloom filters in user space: the twin of `kernel/maps/bloom-filter.ts`. */
import { BPF, mapLookup, mapUpdate } from "../../sys/bpf.ts";
import { mapFailure } from "./failure.ts";
import { BpfMap, type MapParts } from "./map.ts";

const ENOENT = 2;

export class BloomFilterMap<V = unknown> extends BpfMap {
  readonly kind = "bloomFilter";
  readonly #value: MapParts["value"];

  constructor(parts: MapParts) {
    super(parts);
    this.#value = parts.value;
  }

  /** Puts a value into the set, for good. @throws WirescriptError MAP when the value does not fit its type. */
  push(value: V): void {
    const result = mapUpdate(this.fd, null, this.#bytes(value), BPF.BPF_ANY);
    if (result < 0) throw mapFailure(this, "push", -result, value);
  }

  /** False: the value was surely not put in. True: it probably was. @throws WirescriptError (MAP) */
  has(value: V): boolean {
    const result = mapLookup(this.fd, null, this.#bytes(value));
    if (result === -ENOENT) return false;
    if (result < 0) throw mapFailure(this, "read", -result, value);
    return true;
  }

  #bytes(value: V): Uint8Array {
    const bytes = new Uint8Array(this.valueSize);
    this.#value.encode(value, bytes);
    return bytes;
  }
}
