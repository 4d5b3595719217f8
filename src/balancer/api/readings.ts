/**
 * The status for those who ask for it: one reading serves all that ask within a moment, so that a hundred viewers do not make a hundred walks over the
 * maps. Who has changed something sees it at once.
 */
import type { Balancer, Status } from "../contract.ts";

/** Milliseconds that a reading is good for. */
const MOMENT = 50;

export class Readings {
  readonly #balancer: Balancer;
  #last: { at: number; revision: number; status: Promise<Status> } | null = null;

  constructor(balancer: Balancer) {
    this.#balancer = balancer;
  }

  status(): Promise<Status> {
    const { revision } = this.#balancer;
    const now = performance.now();
    if (this.#last !== null && this.#last.revision === revision && now - this.#last.at < MOMENT) return this.#last.status;
    const status = this.#balancer.status();
    this.#last = { at: now, revision, status };
    // One that failed is nobody's answer but of those who wait for it.
    status.catch(() => {
      if (this.#last?.status === status) this.#last = null;
    });
    return status;
  }
}
