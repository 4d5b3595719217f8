/** What happens in a balancer, told to whoever listens; the latest are kept for those who come late. */
import type { BalancerEvent } from "./contract.ts";

const KEPT = 1000;

export class Events {
  readonly recent: BalancerEvent[] = [];
  readonly #listeners = new Set<(event: BalancerEvent) => void>();
  readonly #report: (error: unknown) => void;

  /** `report` hears of what listeners throw: it is theirs, and must not stop the balancer. */
  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  emit(event: BalancerEvent): void {
    this.recent.push(event);
    if (this.recent.length > KEPT) this.recent.shift();
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#report(error);
      }
    }
  }

  subscribe(listener: (event: BalancerEvent) => void): () => void {
    // The same function may listen twice.
    const own = (event: BalancerEvent) => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  close(): void {
    this.#listeners.clear();
  }
}
