/** Hash tables in user space: the twins of `kernel/maps/hash.ts`. LPM tries and device hashes work the same way. */
import { PerCpuMap } from "./per-cpu.ts";
import { TableMap } from "./table.ts";

export class HashMap<K = unknown, V = unknown> extends TableMap<K, V> {
  readonly kind = "hash";

  /** False when there was no such key. @throws WirescriptError (MAP) */
  delete(key: K): boolean {
    return this.elements.delete(this.keyBytes(key), key);
  }
}

export class PerCpuHashMap<K = unknown, V = unknown> extends PerCpuMap<K, V> {
  readonly kind = "perCpuHash";

  /** False when there was no such key. @throws WirescriptError (MAP) */
  delete(key: K): boolean {
    return this.elements.delete(this.keyBytes(key), key);
  }
}
