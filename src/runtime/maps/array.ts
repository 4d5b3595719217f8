/** Arrays in user space: the twins of `kernel/maps/array.ts`. Their entries exist from the start, so nothing can be deleted. */
import { mapFailure } from "./failure.ts";
import type { BpfMap, MapParts } from "./map.ts";
import { MappedArray } from "./mapped-array.ts";
import { CopiesCodec, type PerCpuMethods, sumOf, sumsOf } from "./per-cpu.ts";
import { TableMap } from "./table.ts";

/** Arrays have the method in order to say so, and no value is right for it. @throws WirescriptError (MAP) always */
function cannotDelete(map: BpfMap): never {
  throw mapFailure(map, "delete", EINVAL);
}

/** What the kernel says to it. */
const EINVAL = 22;

export class ArrayMap<V = unknown> extends TableMap<number, V> {
  readonly kind = "array";
  readonly #value: MapParts["value"];

  constructor(parts: MapParts) {
    super(parts);
    this.#value = parts.value;
  }

  /** @deprecated Nothing can be deleted from an array: set the entry to zero. @throws WirescriptError (MAP) always */
  delete(_key: never): never {
    return cannotDelete(this);
  }

  /**
   * Maps the array into this process: its elements are read and written without system calls. The map must have been made with
   * BPF_F_MMAPABLE (Linux 5.5), as `array({ …, mmapable: true })` and data sections are.
   *
   * @throws WirescriptError MAP when the map was not made so, or `writable` is asked for and it is frozen or read-only.
   */
  mmap({ writable = true }: { writable?: boolean } = {}): MappedArray<V> {
    return new MappedArray<V>(this, this.#value, writable);
  }
}

export class PerCpuArrayMap<V = unknown>
  extends TableMap<number, V[], number, readonly V[]>
  implements PerCpuMethods<number, V>
{
  readonly kind = "perCpuArray";
  readonly cpus: number;

  constructor(parts: MapParts) {
    const copies = new CopiesCodec(parts);
    super(parts, { key: parts.key, value: copies });
    this.cpus = copies.cpus;
  }

  /** @deprecated Nothing can be deleted from an array: set the entry to zero. @throws WirescriptError (MAP) always */
  delete(_key: never): never {
    return cannotDelete(this);
  }

  sum(key: number): V {
    return sumOf(this, key);
  }

  sums(): Generator<[key: number, sum: V]> {
    return sumsOf(this);
  }
}
