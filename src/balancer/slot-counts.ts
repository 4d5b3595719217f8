/**
 * How many slots of its service's table each backend has, for the status. What counts is the ring that the kernel has: health is known a moment
 * before, and may be another one again when the ring is written.
 */
import type { Backend, Service } from "./contract.ts";
import { ringName } from "./datapath/rings.ts";
import type { ServiceNumbers } from "./datapath/tables.ts";
import { backendIdentity, serviceIdentity, slotCounts, tableOf } from "./table.ts";

type Counts = ReadonlyMap<string, number>;

export class SlotCounts {
  /** By service, for the ring of that name: tables are made anew only when the ring is another one. */
  readonly #known = new Map<string, { ring: string; counts: Counts }>();

  /**
   * By `backendIdentity`. `isUp` says who takes connections by now; while the ring is still another one, that one's counts stay, as far as they
   * are known.
   */
  of(
    service: Service,
    size: number,
    numbers: Pick<ServiceNumbers, "ring" | "backends"> | undefined,
    isUp: (backend: Backend) => boolean,
  ): Counts {
    const identity = serviceIdentity(service);
    const known = this.#known.get(identity);
    const ring = numbers?.ring ?? null;
    if (known !== undefined && known.ring === ring) return known.counts;
    const takers = service.backends
      .filter((backend) => isUp(backend) && !backend.drain && backend.weight > 0)
      .map((backend) => {
        const identity = backendIdentity(backend, service);
        return { identity, weight: backend.weight, number: numbers?.backends.get(identity)?.number ?? 0 };
      });
    const isWritten = ring !== null && ring === ringName(size, takers);
    if (!isWritten && known !== undefined) return known.counts;
    const slots = slotCounts(tableOf(service, size, isUp), service.backends.length);
    const counts = new Map(service.backends.map((backend, index) => [backendIdentity(backend, service), slots[index] ?? 0]));
    if (isWritten) this.#known.set(identity, { ring, counts });
    return counts;
  }

  /** Forgets all services but these. */
  retain(services: readonly Service[]): void {
    if (this.#known.size <= services.length) return;
    const there = new Set(services.map(serviceIdentity));
    for (const identity of this.#known.keys()) if (!there.has(identity)) this.#known.delete(identity);
  }
}
