/** The health of all backends: a monitor for each that has a check, and for each service who is out because of it. */
import { changedServices } from "../changed-services.ts";
import { backendPort } from "../checks.ts";
import type { Backend, Health, Service, State } from "../contract.ts";
import { memberIdentity } from "../effective.ts";
import { serviceIdentity } from "../table.ts";
import { type Decision, decide } from "./decide.ts";
import type { HealthState, Monitor } from "./monitor.ts";
import { SharedMonitors } from "./shared-monitors.ts";

/** A backend whose health has changed. */
export interface HealthChange {
  service: Service;
  backend: Backend;
  from: Health;
  state: HealthState;
}

interface Monitored {
  service: Service;
  backend: Backend;
  /** What the monitor asks, and whom: its key among the shared ones. */
  question: string;
  monitor: Monitor;
}

const ALL_WELL: Decision = { out: new Set(), failOpen: false };

export class HealthChecks {
  readonly #monitors = new SharedMonitors();
  readonly #monitored = new Map<string, Monitored>();
  #services: readonly Service[] = [];
  readonly #decisions = new Map<string, Decision>();
  readonly #changed: (change: HealthChange) => void;
  readonly #began = new Date();

  /** `changed` hears of each change of a backend's health; who is out changes with `decide`. */
  constructor(changed: (change: HealthChange) => void) {
    this.#changed = changed;
  }

  /**
   * Checks the backends of this state and no others; those that stay, and whose check stays, keep their health. `wasDown` says of one that was not
   * checked here before whether it was out already.
   */
  set(state: State, wasDown: (service: Service, backend: Backend) => boolean = () => false): void {
    const wanted = new Set<string>();
    for (const service of state.services) {
      if (service.check === undefined) continue;
      for (const backend of service.backends) {
        const identity = memberIdentity(service, backend);
        wanted.add(identity);
        this.#monitor(identity, service, backend, wasDown);
      }
    }
    for (const [identity, { question }] of this.#monitored) {
      if (wanted.has(identity)) continue;
      this.#monitors.leave(question, identity);
      this.#monitored.delete(identity);
    }
    this.#decideAll(state.services);
  }

  /** Of services that stay as they are, who is out changes in the turn of the change of health alone. */
  #decideAll(services: readonly Service[]): void {
    const { gone, changed } = changedServices(this.#services, services);
    this.#services = services;
    for (const service of gone) this.#decisions.delete(serviceIdentity(service));
    for (const service of changed) this.decide(service);
  }

  #monitor(
    identity: string,
    service: Service,
    backend: Backend,
    wasDown: (service: Service, backend: Backend) => boolean,
  ): void {
    const { check } = service;
    if (check === undefined) return;
    const target = {
      address: backend.address,
      port: check.type === "icmp" ? 0 : (check.port ?? backendPort(backend, service)),
    };
    const there = this.#monitored.get(identity);
    const question = SharedMonitors.keyOf(check, target);
    if (there?.question === question) {
      there.service = service;
      there.backend = backend;
      return;
    }
    const begin = there?.monitor.state ?? this.#beginning(wasDown(service, backend));
    const monitor = this.#monitors.join(check, target, begin, identity, (from, state) => {
      this.#changed({ service: monitored.service, backend: monitored.backend, from, state });
    });
    if (there !== undefined) this.#monitors.leave(there.question, identity);
    const monitored: Monitored = { service, backend, question, monitor };
    this.#monitored.set(identity, monitored);
  }

  #beginning(isDown: boolean): HealthState {
    if (!isDown) return { health: "unknown", since: new Date() };
    return { health: "down", reason: "it was down before the service was started", since: new Date() };
  }

  /** Decides anew who of the service is out; false when it is who it was. */
  decide(service: Service): boolean {
    const identity = serviceIdentity(service);
    const before = this.#decisions.get(identity) ?? ALL_WELL;
    const after = service.check === undefined ? ALL_WELL : this.#decision(service);
    if (after === ALL_WELL) this.#decisions.delete(identity);
    else this.#decisions.set(identity, after);
    return (
      before.failOpen !== after.failOpen ||
      before.out.size !== after.out.size ||
      [...after.out].some((each) => !before.out.has(each))
    );
  }

  #decision(service: Service): Decision {
    const members = service.backends
      .filter(({ drain, weight }) => !drain && weight > 0)
      .map((backend) => {
        const identity = memberIdentity(service, backend);
        const state = this.#monitored.get(identity)?.monitor.state;
        return { identity, failingSince: state?.health === "down" ? state.since.getTime() : null };
      });
    return decide(members, service.minimumUp);
  }

  isUp(service: Service, backend: Backend): boolean {
    const out = this.#decisions.get(serviceIdentity(service))?.out;
    return out === undefined || out.size === 0 || !out.has(memberIdentity(service, backend));
  }

  isFailOpen(service: Service): boolean {
    return this.#decisions.get(serviceIdentity(service))?.failOpen ?? false;
  }

  statusOf(service: Service, backend: Backend): { health: Health; reason?: string; since: Date } {
    const state = this.#monitored.get(memberIdentity(service, backend))?.monitor.state;
    return state ?? { health: "unchecked", since: this.#began };
  }

  close(): void {
    this.#monitors.close();
    this.#monitored.clear();
  }
}
