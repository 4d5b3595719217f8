/**
 * A balancer that runs: takes desired states, keeps the last one on disk, and makes the datapath in the kernel what it says. Everything that changes
 * something takes its turn in one queue, so that what is on disk, in the maps and in this object agree.
 */
import { WirescriptError } from "../errors.ts";
import { BackendState } from "../programs/balancer-maps.bpf.ts";
import { findLink } from "../sys/netlink/index.ts";
import type {
  Applied,
  Backend,
  Balancer,
  BalancerEvent,
  FlowAnswer,
  FlowQuestion,
  MapPressure,
  Plan,
  Problem,
  Service,
  State,
  Status,
} from "./contract.ts";
import type { Attachment } from "./datapath/attachments.ts";
import { reasonCounters } from "./datapath/counters.ts";
import type { Datapath } from "./datapath/datapath.ts";
import { askedFlow, explainFlow } from "./datapath/explain.ts";
import { Pressure } from "./datapath/pressure.ts";
import type { Sources } from "./datapath/records.ts";
import { completeState } from "./document.ts";
import { type Deadlines, DrainClock, deadlinesOf, draining } from "./drains.ts";
import { type Circumstances, memberIdentity } from "./effective.ts";
import { endedServices } from "./ended.ts";
import { Events } from "./events.ts";
import { type HealthChange, HealthChecks } from "./health/health.ts";
import { Installation } from "./installation.ts";
import type { InstanceLock } from "./instance-lock.ts";
import type { Logger } from "./logger.ts";
import { backendName } from "./names.ts";
import { type HopChange, hopKey, Neighbours } from "./neighbours.ts";
import { planChanges } from "./plan.ts";
import { ConflictError, InvalidState } from "./refusals.ts";
import { statedSources } from "./sources.ts";
import { ServiceStatuses } from "./status.ts";
import type { Accepted, Store } from "./store.ts";
import { backendIdentity, movedSlots, serviceIdentity, tableOf, tableSizeOf } from "./table.ts";
import { Trust } from "./trust.ts";
import { Turns } from "./turns.ts";

interface Parts {
  store: Store;
  lock: InstanceLock;
  datapath: Datapath;
}

/** A desired state that can be, and the addresses that its packets would leave from. */
interface Checked {
  state: State;
  sources: Sources;
}

export class RunningBalancer implements Balancer {
  readonly #store: Store;
  readonly #lock: InstanceLock;
  readonly #datapath: Datapath;
  readonly #pressure: Pressure;
  readonly #statuses = new ServiceStatuses();
  readonly #trust = new Trust();
  readonly #events: Events;
  readonly #logger: Logger;
  readonly #turns = new Turns();
  readonly #circumstances: Circumstances;
  readonly #health: HealthChecks;
  readonly #drains: DrainClock;
  readonly #neighbours: Neighbours;
  readonly #installation: Installation;
  readonly #healthChanges: HealthChange[] = [];
  #accepted: Accepted;
  #deadlines: Deadlines;
  #open = true;

  /** Closing it closes the parts. */
  constructor({ store, lock, datapath }: Parts, accepted: Accepted, logger: Logger) {
    this.#store = store;
    this.#lock = lock;
    this.#datapath = datapath;
    this.#pressure = new Pressure(datapath);
    this.#accepted = accepted;
    this.#deadlines = accepted.deadlines;
    this.#logger = logger;
    this.#events = new Events((error) => logger.error({ err: error }, "A listener to the balancer's events failed."));
    this.#health = new HealthChecks((change) => this.#healthChanged(change));
    this.#drains = new DrainClock(() => this.#inTurn("The datapath did not end a drain.", () => this.#endDrains()));
    this.#circumstances = {
      isUp: (service, backend) => this.#health.isUp(service, backend),
      isDrained: (service, backend) => {
        const deadline = this.#deadlines[memberIdentity(service, backend)];
        return deadline !== undefined && deadline <= Date.now();
      },
      hopOf: (_service, backend) => this.#neighbours.hopTo(hopKey(backend)),
    };
    this.#neighbours = new Neighbours({
      changed: (changes) => this.#inTurn("The datapath did not follow a neighbour.", () => this.#followNeighbours(changes)),
      network: () => this.#inTurn("The datapath did not follow the network.", () => this.#installation.network(this.state)),
    });
    const attached = (attachment: Attachment) => this.#tellDevice(attachment);
    this.#installation = new Installation({
      datapath,
      neighbours: this.#neighbours,
      circumstances: this.#circumstances,
      attached,
      sending: (before, now) => this.#tellSources(before, now),
    });
  }

  get state(): State {
    return this.#accepted.state;
  }

  get revision(): number {
    return this.#accepted.revision;
  }

  get recent(): readonly BalancerEvent[] {
    return this.#events.recent;
  }

  /** Makes the datapath what the state says, whatever it is now. */
  begin(): Promise<void> {
    return this.#turns.take(async () => {
      // Who was out stays out until its checks say otherwise.
      this.#health.set(this.state, (service, backend) => this.#isOut(service, backend));
      await this.#installation.all(this.state);
      this.#drains.set(this.#deadlines, Date.now());
    });
  }

  /** It is in the datapath, as that was left, and gets nothing. */
  #isOut(service: Service, backend: Backend): boolean {
    return !this.#circumstances.isDrained(service, backend) && this.#stateOf(service, backend) === BackendState.NONE;
  }

  /** In the datapath, as it is now. */
  #stateOf(service: Service, backend: Backend): number | undefined {
    const numbers = this.#datapath.tables.numbersOf(serviceIdentity(service));
    return numbers?.backends.get(backendIdentity(backend, service))?.record.state;
  }

  plan(next: State): Plan {
    return this.#planned(this.state, this.#checked(next));
  }

  #planned(before: State, { state, sources }: Checked): Plan {
    const plan = planChanges(before, state, this.#circumstances.isUp);
    if (plan.changes.length === 0) return { ...plan, ends: [] };
    return { ...plan, ends: endedServices(before, state, this.#installation.sources, sources) };
  }

  apply(next: State, { ifRevision }: { ifRevision?: number } = {}): Promise<Applied> {
    this.#mustBeOpen();
    return this.#turns.take(() => this.#apply(next, ifRevision));
  }

  async #apply(next: State, ifRevision: number | undefined): Promise<Applied> {
    this.#mustBeOpen();
    const { state: before, revision } = this.#accepted;
    if (ifRevision !== undefined && ifRevision !== revision) throw new ConflictError(ifRevision, revision);
    const checked = this.#checked(next);
    const { state } = checked;
    const plan = this.#planned(before, checked);
    if (plan.changes.length === 0) return { ...plan, revision };
    const last = this.#accepted;
    const since = new Date();
    const deadlines = deadlinesOf(state, since.getTime(), before, last.deadlines);
    const accepted = { revision: revision + 1, since, state, deadlines };
    await this.#store.save(accepted);
    try {
      this.#deadlines = deadlines;
      this.#health.set(state);
      await this.#installation.difference(before, state);
    } catch (error) {
      await this.#takeBack(last, error);
      throw error;
    }
    this.#accepted = accepted;
    this.#trust.set(state, this.#installation.sources);
    this.#drains.set(deadlines, Date.now());
    this.#logger.info(
      { revision: accepted.revision, changes: plan.changes.length, moved: plan.moved, ends: plan.ends },
      "A new state is accepted.",
    );
    this.#tell({ at: accepted.since, type: "applied", revision: accepted.revision, ...plan });
    return { ...plan, revision: accepted.revision };
  }

  /** The kernel has not taken the new state: it is made to have the old one again, and so is the disk. */
  async #takeBack(last: Accepted, cause: unknown): Promise<void> {
    this.#logger.error({ err: cause }, "The datapath did not take the new state; the old one holds.");
    this.#deadlines = last.deadlines;
    this.#health.set(last.state);
    try {
      await this.#installation.all(last.state);
    } catch (error) {
      this.#logger.error({ err: error }, "The datapath did not take the old state either.");
    }
    try {
      await this.#store.save(last);
    } catch (error) {
      this.#logger.error(
        { err: error },
        "The disk did not take the old state: a restart before the next change would begin with the new one.",
      );
    }
  }

  /** Complete and checked, in the network as it is now. @throws InvalidState */
  #checked(next: State): Checked {
    const found = this.#installation.foundFor(next);
    const sources = statedSources(next, found);
    const state = completeState(next, found, this.#trust.of(sources));
    const known = new Set(this.state.devices.map(({ name }) => name));
    const problems = state.devices.flatMap(({ name }, index): Problem[] => {
      // One that is away may come back; one that was never there is a mistake.
      if (known.has(name) || findLink(name) !== null) return [];
      return [{ path: `/devices/${index}/name`, what: `There is no device ${name}.`, fix: "See which there are: ip link" }];
    });
    if (problems.length > 0) throw new InvalidState(problems);
    return { state, sources };
  }

  #healthChanged(change: HealthChange): void {
    this.#healthChanges.push(change);
    // Those that come before its turn are done in the same.
    if (this.#healthChanges.length > 1) return;
    this.#inTurn("The datapath did not follow a change of health.", () => this.#followHealth());
  }

  /** Work that nobody waits for. When it fails it is told, and the next occasion makes up for it. */
  #inTurn(failed: string, work: () => Promise<void>): void {
    const safely = async () => {
      if (this.#open) await work();
    };
    this.#turns.take(safely).catch((error: unknown) => this.#logger.error({ err: error }, failed));
  }

  async #followNeighbours(changes: readonly HopChange[]): Promise<void> {
    const keys = new Set(changes.map(({ key }) => key));
    const behind = this.state.services.filter(({ backends }) => backends.some((backend) => keys.has(hopKey(backend))));
    await this.#installation.services(this.state, behind);
    for (const { key, mac, device } of changes) {
      const reached = behind.flatMap(({ backends }) => backends.filter((backend) => hopKey(backend) === key));
      for (const address of new Set(reached.map((backend) => backend.address))) {
        this.#logger.info({ address, mac, device }, "The way to a backend has changed.");
        this.#tell({ at: new Date(), type: "neighbour", address, mac, device });
      }
    }
  }

  async #followHealth(): Promise<void> {
    for (const change of this.#healthChanges.splice(0)) {
      const identity = serviceIdentity(change.service);
      const service = this.state.services.find((each) => serviceIdentity(each) === identity);
      if (service !== undefined) await this.#followChange(service, change);
    }
  }

  async #followChange(service: Service, { backend, from, state: { health: to, reason, since } }: HealthChange): Promise<void> {
    const of = tableSizeOf(service, this.state);
    const names = service.backends.map((each) => backendIdentity(each, service));
    const table = () => tableOf(service, of, (each) => this.#health.isUp(service, each));
    const [before, wasOpen] = [table(), this.#health.isFailOpen(service)];
    let moved = 0;
    if (this.#health.decide(service)) {
      await this.#installation.services(this.state, [service]);
      moved = movedSlots(before, names, table(), names);
    }
    const told = {
      service: service.name,
      backend: backendName(backend),
      from,
      to,
      ...(reason !== undefined && { reason }),
      moved,
      of,
    };
    this.#logger[to === "down" ? "warn" : "info"](told, "A backend's health has changed.");
    this.#tell({ at: since, type: "health", ...told });
    const open = this.#health.isFailOpen(service);
    if (open === wasOpen) return;
    if (open)
      this.#logger.warn(
        { service: service.name, open },
        "All backends fail their checks, so all of them get connections nevertheless.",
      );
    else this.#logger.info({ service: service.name, open }, "A backend is up again, so only those that are get connections.");
    this.#tell({ at: since, type: "fail-open", service: service.name, open });
  }

  /** Backends whose time to drain is over lose their connections. */
  async #endDrains(): Promise<void> {
    for (const { service, backend } of draining(this.state)) {
      if (!this.#circumstances.isDrained(service, backend) || this.#stateOf(service, backend) !== BackendState.UP) continue;
      await this.#installation.services(this.state, [service]);
      this.#logger.info({ service: service.name, backend: backendName(backend) }, "A backend has drained.");
      this.#tell({ at: new Date(), type: "drained", service: service.name, backend: backendName(backend) });
    }
    this.#drains.set(this.#deadlines, Date.now());
  }

  #tellDevice(attachment: Attachment): void {
    const { device, attached } = attachment;
    const told = { device, attached, ...(!attachment.attached && { reason: attachment.reason }) };
    this.#logger[attached ? "info" : "warn"](
      { ...told, ...(attachment.attached && { mode: attachment.status.mode }) },
      attached ? "The datapath is on a device." : "The datapath is not on a device.",
    );
    this.#tell({ at: new Date(), type: "device", ...told });
  }

  #tellSources(before: Sources, now: Sources): void {
    const isLost = (["source4", "source6"] as const).some((each) => before[each] !== null && before[each] !== now[each]);
    if (isLost)
      this.#logger.warn(
        { before, now },
        "The balancer sends from other addresses: connections through NAT from the old ones end.",
      );
    else this.#logger.info({ ...now }, "The balancer sends from these addresses.");
  }

  #tell(event: BalancerEvent): void {
    this.#events.emit(event);
  }

  async status(): Promise<Status> {
    this.#mustBeOpen();
    const { revision, since, state } = this.#accepted;
    const services = await this.#statuses.read({
      datapath: this.#datapath,
      state,
      healthOf: (service, backend) => this.#health.statusOf(service, backend),
      isUp: this.#circumstances.isUp,
      isDrained: this.#circumstances.isDrained,
      isFailOpen: (service) => this.#health.isFailOpen(service),
    });
    const { devices, missingDevices } = this.#installation;
    return { revision, since, devices, missingDevices, services, reasons: reasonCounters(this.#datapath.maps) };
  }

  async pressure(): Promise<MapPressure[]> {
    this.#mustBeOpen();
    return await this.#pressure.read();
  }

  async explain(question: FlowQuestion): Promise<FlowAnswer> {
    this.#mustBeOpen();
    const { services } = this.state;
    return explainFlow(this.#datapath.maps, askedFlow(question), {
      services,
      takes: this.#circumstances.isUp,
      failureOf: (service, backend) => {
        const { health, reason } = this.#health.statusOf(service, backend);
        return health === "down" ? (reason ?? "no answer") : null;
      },
      isFailOpen: (service) => this.#health.isFailOpen(service),
    });
  }

  subscribe(listener: (event: BalancerEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  async close({ detach = false }: { detach?: boolean } = {}): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#health.close();
    this.#drains.close();
    this.#neighbours.close();
    await this.#turns.done();
    this.#events.close();
    this.#pressure.close();
    this.#datapath.close({ detach });
    this.#store.close();
    this.#lock.close();
  }

  #mustBeOpen(): void {
    if (this.#open) return;
    throw new WirescriptError({
      code: "USAGE",
      what: "The balancer is closed.",
      why: "close() was called; what it left in the kernel goes on.",
      fix: "Start it again: startBalancer()",
    });
  }
}
