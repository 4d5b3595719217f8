/**
 * Services that were found right once need not be looked at again with each change of another: a balancer may have thousands. They are frozen, so that
 * they stay what was looked at, and trusted as long as the source addresses are the same, which is all that a service's checks depend on.
 */
import type { Service, State } from "./contract.ts";
import type { Sources } from "./datapath/records.ts";

export class Trust {
  #services: ReadonlySet<Service> = new Set();
  #sources = "";

  /** Those that may be taken as they are in a state with these sources. */
  of(sources: Sources): ReadonlySet<Service> {
    return this.#sources === textOf(sources) ? this.#services : new Set();
  }

  /** The services of an accepted state, from now on, and no others. */
  set({ services }: State, sources: Sources): void {
    for (const service of services) if (!Object.isFrozen(service)) freeze(service);
    this.#services = new Set(services);
    this.#sources = textOf(sources);
  }
}

function textOf({ source4, source6 }: Sources): string {
  return `${source4} ${source6}`;
}

function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}
