/**
 * Out of SSA: every edge into a block with phis does all its copies at once. Copies that feed each other are put in an order that
 * loses nothing; a cycle (a swap) is broken with one fresh register. Critical edges are split by the caller, so that an edge's
 * copies run on that edge only; the allocator then coalesces most of them away.
 */
import type { Register } from "./machine.ts";

export interface Copy {
  dst: Register;
  src: Register;
}

/** Puts parallel copies into an order of plain ones. No two copies share a `dst`. */
export function sequentialise(parallel: readonly Copy[], fresh: () => Register): Copy[] {
  const result: Copy[] = [];
  const waiting = parallel.filter((copy) => copy.dst !== copy.src).map((copy) => ({ ...copy }));
  const readers = new Map<Register, number>();
  for (const { src } of waiting) readers.set(src, (readers.get(src) ?? 0) + 1);
  while (waiting.length > 0) {
    const free = waiting.findIndex((copy) => !readers.get(copy.dst));
    if (free >= 0) {
      const [copy] = waiting.splice(free, 1) as [Copy];
      readers.set(copy.src, (readers.get(copy.src) ?? 0) - 1);
      result.push(copy);
      continue;
    }
    // Only cycles are left: save one source, which frees its register for the copy that writes it.
    const first = waiting[0] as Copy;
    const saved = fresh();
    result.push({ dst: saved, src: first.src });
    readers.set(first.src, (readers.get(first.src) ?? 0) - 1);
    readers.set(saved, 1);
    first.src = saved;
  }
  return result;
}
