/** Arrays in user space: the twins of `kernel/maps/array.ts`. Their entries exist from the start, so nothing can be deleted. */
import { PerCpuMap } from "./per-cpu.ts";
import { TableMap } from "./table.ts";

export class ArrayMap<V = unknown> extends TableMap<number, V> {
  readonly kind = "array";
}

export class PerCpuArrayMap<V = unknown> extends PerCpuMap<number, V> {
  readonly kind = "perCpuArray";
}
