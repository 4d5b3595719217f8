/**
 * Until when backends drain. A deadline holds from the moment at which the drain was asked for, through restarts; when it is over, the backend's
 * connections are spread anew.
 */
import type { Backend, Service, State } from "./contract.ts";
import { memberIdentity } from "./effective.ts";

/** Milliseconds since 1970, by `memberIdentity`. */
export type Deadlines = Readonly<Record<string, number>>;

/** The deadlines of `after`: those that there were hold on, as long as the time to drain is the same. */
export function deadlinesOf(after: State, now: number, before?: State, known: Deadlines = {}): Deadlines {
  const times = new Map(before === undefined ? [] : [...draining(before)].map(({ identity, seconds }) => [identity, seconds]));
  const deadlines: Record<string, number> = {};
  for (const { identity, seconds } of draining(after)) {
    const deadline = times.get(identity) === seconds ? known[identity] : undefined;
    deadlines[identity] = deadline ?? now + seconds * 1000;
  }
  return deadlines;
}

interface Draining {
  service: Service;
  backend: Backend;
  identity: string;
  seconds: number;
}

/** Backends that drain until a deadline. */
export function* draining(state: State): Generator<Draining> {
  for (const service of state.services) {
    for (const backend of service.backends) {
      if (!backend.drain || backend.drainSeconds === undefined) continue;
      yield { service, backend, identity: memberIdentity(service, backend), seconds: backend.drainSeconds };
    }
  }
}

/** Calls back when the next deadline is over. */
export class DrainClock {
  readonly #over: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(over: () => void) {
    this.#over = over;
  }

  set(deadlines: Deadlines, now: number): void {
    clearTimeout(this.#timer);
    const coming = Object.values(deadlines).filter((deadline) => deadline > now);
    if (coming.length === 0) return;
    const next = coming.reduce((first, each) => Math.min(first, each));
    // Timers come a little early at times.
    this.#timer = setTimeout(this.#over, next - now + 1);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
