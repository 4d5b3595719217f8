/**
 * The balancer's events with numbers, so that who was away for a moment can ask for what it missed. The last ones are kept; each id also says of which
 * run of the service it is, because numbers begin anew with every run.
 */
import { randomBytes } from "node:crypto";
import type { Balancer, BalancerEvent } from "../contract.ts";

export interface NumberedEvent {
  id: string;
  event: BalancerEvent;
}

/** What a client may have missed and still get. */
const KEPT = 512;

export class EventLog implements Disposable {
  readonly #run = randomBytes(4).toString("hex");
  readonly #listeners = new Set<(event: NumberedEvent) => void>();
  readonly #unsubscribe: () => void;
  /** The number of the first of `#events`. */
  #first = 1;
  #events: NumberedEvent[] = [];

  constructor(balancer: Balancer) {
    for (const event of balancer.recent) this.#add(event);
    this.#unsubscribe = balancer.subscribe((event) => {
      const numbered = this.#add(event);
      for (const listener of this.#listeners) listener(numbered);
    });
  }

  #add(event: BalancerEvent): NumberedEvent {
    const numbered = { id: `${this.#run}-${this.#first + this.#events.length}`, event };
    this.#events.push(numbered);
    // In blocks, since each time moves all that stay.
    if (this.#events.length >= 2 * KEPT) {
      this.#events = this.#events.slice(KEPT);
      this.#first += KEPT;
    }
    return numbered;
  }

  /** All that are kept, or those after `last`. Null when some between are not there any more, or `last` is of another run. */
  since(last: string | undefined): readonly NumberedEvent[] | null {
    if (last === undefined) return this.#events;
    const [run, number] = last.split("-");
    const next = Number(number) + 1;
    if (run !== this.#run || !Number.isSafeInteger(next)) return null;
    if (next < this.#first || next > this.#first + this.#events.length) return null;
    return this.#events.slice(next - this.#first);
  }

  /** Until the returned function is called. */
  subscribe(listener: (event: NumberedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#listeners.clear();
  }
}
