/** A balancer without a datapath: for what the API itself does. It keeps its state and counts its revisions, and no packet ever comes by. */
import type {
  Applied,
  Balancer,
  BalancerEvent,
  FlowAnswer,
  FlowQuestion,
  MapPressure,
  Plan,
  Status,
} from "../../src/balancer/contract.ts";
import { completeState } from "../../src/balancer/document.ts";
import { backendName } from "../../src/balancer/names.ts";
import { planChanges } from "../../src/balancer/plan.ts";
import { ConflictError } from "../../src/balancer/refusals.ts";
import type { State } from "../../src/balancer/state.ts";

export class MemoryBalancer implements Balancer {
  state = completeState({});
  revision = 1;
  recent: BalancerEvent[] = [];
  closed = false;
  readonly since = new Date();
  readonly #listeners = new Set<(event: BalancerEvent) => void>();

  plan(next: State): Plan {
    return { ...planChanges(this.state, completeState(next)), ends: [] };
  }

  async apply(next: State, { ifRevision }: { ifRevision?: number } = {}): Promise<Applied> {
    if (ifRevision !== undefined && ifRevision !== this.revision) throw new ConflictError(ifRevision, this.revision);
    const plan = this.plan(next);
    if (plan.changes.length > 0) {
      this.state = completeState(next);
      this.revision++;
      this.happen({ at: new Date(), type: "applied", revision: this.revision, ...plan });
    }
    return { ...plan, revision: this.revision };
  }

  /** Without asking anybody. */
  replace(value: unknown): void {
    this.state = completeState(value);
    this.revision++;
  }

  happen(event: BalancerEvent): void {
    this.recent.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  async status(): Promise<Status> {
    const none = { packets: 0, bytes: 0, replies: 0, replyBytes: 0, flows: 0 };
    return {
      revision: this.revision,
      since: this.since,
      devices: [],
      missingDevices: [],
      services: this.state.services.map((service) => ({
        ...service,
        failOpen: false,
        slots: 1000,
        drops: 0,
        counters: none,
        backends: service.backends.map((backend) => ({
          service: service.name,
          name: backendName(backend),
          address: backend.address,
          port: backend.port ?? 0,
          weight: backend.weight,
          health: "unchecked",
          since: this.since,
          draining: backend.drain,
          drained: false,
          slots: 0,
          counters: none,
        })),
      })),
      reasons: { no_service: { packets: 0, bytes: 0 } },
    };
  }

  async pressure(): Promise<MapPressure[]> {
    return [{ name: "flows4", entries: 0, capacity: 1000 }];
  }

  async explain(_: FlowQuestion): Promise<FlowAnswer> {
    return { service: null, backend: null, by: "none", steps: ["No service has that address."] };
  }

  subscribe(listener: (event: BalancerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
