/** Arrays in user space: the twins of `kernel/maps/array.ts`. Their entries exist from the start, so nothing can be deleted. */
import type { MapParts } from "./map.ts";
import { MappedArray } from "./mapped-array.ts";
import { CopiesCodec, type PerCpuMethods, sumOf, sumsOf } from "./per-cpu.ts";
import { TableMap } from "./table.ts";

export class ArrayMap<V = unknown> extends TableMap<number, V> {
  readonly kind = "array";
  readonly #value: MapParts["value"];

  constructor(parts: MapParts) {
    super(parts);
    this.#value = parts.value;
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

  sum(key: number): V {
    return sumOf(this, key);
  }

  sums(): Generator<[key: number, sum: V]> {
    return sumsOf(this);
  }
}
