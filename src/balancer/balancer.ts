/**
 * A balancer that runs: takes desired states, keeps the last one on disk, and makes the datapath in the kernel what it says. Everything that changes
 * something takes its turn in one queue, so that what is on disk, in the maps and in this object agree.
 *
 * The datapath needs none of this to forward. It stays when this process ends, however it ends, and the next one takes it over.
 */
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import { BackendState } from "../programs/balancer-maps.bpf.ts";
import { findLink } from "../sys/netlink/index.ts";
import type {
  Applied,
  Backend,
  Balancer,
  BalancerEvent,
  Device,
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
import { Datapath, type DatapathOptions, isInstalled } from "./datapath/datapath.ts";
import { explainFlow } from "./datapath/explain.ts";
import { Pressure } from "./datapath/pressure.ts";
import type { Sources } from "./datapath/records.ts";
import { completeState } from "./document.ts";
import { type Deadlines, DrainClock, deadlinesOf, draining } from "./drains.ts";
import { type Circumstances, memberIdentity, wantedService } from "./effective.ts";
import { Events } from "./events.ts";
import { type HealthChange, HealthChecks } from "./health/health.ts";
import { backendName } from "./names.ts";
import { isAddress, readAddress } from "./network-address.ts";
import { planChanges } from "./plan.ts";
import { ConflictError, InvalidState } from "./refusals.ts";
import { isSame } from "./same.ts";
import { sourcesOf, surroundingsOf } from "./sources.ts";
import { ServiceStatuses } from "./status.ts";
import { type Accepted, STATE_DIRECTORY, Store } from "./store.ts";
import { backendIdentity, movedSlots, serviceIdentity, tableOf, tableSizeOf } from "./table.ts";
import { Turns } from "./turns.ts";

/** What the balancer says of itself, in structured logs: pino's form. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface BalancerOptions extends Partial<Pick<DatapathOptions, "program" | "entries">> {
  /** The state to begin with, instead of the last accepted one. */
  state?: State;
  /** Where the accepted state is kept. Usual: /var/lib/wirescript/balancer/INSTANCE. */
  directory?: string;
  /** Tells balancers on the same host apart, by a directory of pins for each. Usual: "default". */
  instance?: string;
  logger?: Logger;
}

const SILENT: Logger = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * Starts the service: loads the last accepted state, takes over the datapath that runs in the kernel or makes one, and makes it what the state says. In the
 * network namespace of the calling thread, where its devices are; afterwards too, that thread must stay there.
 *
 * @throws WirescriptError CONFLICT when another process has the instance; BAD_FILE when no state on disk is whole; INVALID_STATE (`InvalidState`) for
 * `state`; MAP when what is in the kernel is of another version; VERIFIER, NO_PRIVILEGES, USAGE.
 */
export async function startBalancer(options: BalancerOptions = {}): Promise<Balancer> {
  const instance = options.instance ?? "default";
  const installed = isInstalled(instance);
  const store = new Store(options.directory ?? join(STATE_DIRECTORY, instance));
  try {
    const logger = options.logger ?? SILENT;
    const begun = await beginning(store, options.state, installed, logger);
    const { program, entries } = options;
    const datapathOptions = { instance, ...(program !== undefined && { program }), ...(entries !== undefined && { entries }) };
    const { state } = begun;
    const datapath = await Datapath.open(datapathOptions, { ...state, ...sourcesOf(state) });
    const balancer = new RunningBalancer(store, datapath, begun, logger);
    try {
      await balancer.begin();
      if (options.state !== undefined) await balancer.apply(options.state);
    } catch (error) {
      await balancer.close({ detach: !installed });
      throw error;
    }
    return balancer;
  } catch (error) {
    store.close();
    throw error;
  }
}

/** The state that is accepted before anything is asked: from disk, or else the one to begin with, or an empty one. */
async function beginning(store: Store, given: State | undefined, installed: boolean, logger: Logger): Promise<Accepted> {
  const { accepted, damaged } = await store.load().catch((error: unknown) => {
    // Nothing on disk is whole, but somebody says what is meant.
    if (given === undefined || !(error instanceof WirescriptError) || error.code !== "BAD_FILE") throw error;
    logger.error({ why: error.why }, error.message);
    return { accepted: null, damaged: [] };
  });
  for (const damage of damaged) logger.error({ ...damage }, "A state on disk was damaged; the one before it is used.");
  if (accepted !== null) return accepted;
  if (given === undefined && installed) {
    throw new WirescriptError({
      code: "BAD_FILE",
      what: "A datapath runs, and nothing says what it is meant to do.",
      why: `There is no state in ${store.directory}; an empty one would take all its services away.`,
      fix: "Name the directory of its state, start with a document, or remove the datapath's pins.",
    });
  }
  const state = given === undefined ? completeState({}) : completeState(given, surroundingsOf(given.devices?.[0]?.name));
  const first = { revision: 1, since: new Date(), state, deadlines: deadlinesOf(state, Date.now()) };
  await store.save(first);
  return first;
}

class RunningBalancer implements Balancer {
  readonly #store: Store;
  readonly #datapath: Datapath;
  readonly #pressure: Pressure;
  readonly #statuses = new ServiceStatuses();
  readonly #events: Events;
  readonly #logger: Logger;
  readonly #turns = new Turns();
  readonly #circumstances: Circumstances;
  readonly #health: HealthChecks;
  readonly #drains: DrainClock;
  readonly #healthChanges: HealthChange[] = [];
  #accepted: Accepted;
  #deadlines: Deadlines;
  /** As the datapath has them. */
  #sources: Sources = { source4: null, source6: null };
  /** By device: what is known of its attachment, to tell changes. */
  readonly #attached = new Map<string, Attachment>();
  #open = true;

  constructor(store: Store, datapath: Datapath, accepted: Accepted, logger: Logger) {
    this.#store = store;
    this.#datapath = datapath;
    this.#pressure = new Pressure(datapath);
    this.#accepted = accepted;
    this.#deadlines = accepted.deadlines;
    this.#logger = logger;
    this.#events = new Events((error) => logger.error({ err: error }, "A listener to the balancer's events failed."));
    this.#health = new HealthChecks((change) => this.#healthChanged(change));
    this.#drains = new DrainClock(() => void this.#turns.take(() => this.#endDrains()));
    this.#circumstances = {
      isUp: (service, backend) => this.#health.isUp(service, backend),
      isDrained: (service, backend) => {
        const deadline = this.#deadlines[memberIdentity(service, backend)];
        return deadline !== undefined && deadline <= Date.now();
      },
      hopOf: () => undefined,
    };
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
      await this.#installAll(this.state);
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
    return planChanges(this.state, this.#checked(next), this.#circumstances.isUp);
  }

  apply(next: State, { ifRevision }: { ifRevision?: number } = {}): Promise<Applied> {
    this.#mustBeOpen();
    return this.#turns.take(() => this.#apply(next, ifRevision));
  }

  async #apply(next: State, ifRevision: number | undefined): Promise<Applied> {
    this.#mustBeOpen();
    const { state: before, revision } = this.#accepted;
    if (ifRevision !== undefined && ifRevision !== revision) throw new ConflictError(ifRevision, revision);
    const state = this.#checked(next);
    const plan = planChanges(before, state, this.#circumstances.isUp);
    if (plan.changes.length === 0) return { ...plan, revision };
    const last = this.#accepted;
    const since = new Date();
    const deadlines = deadlinesOf(state, since.getTime(), before, last.deadlines);
    const accepted = { revision: revision + 1, since, state, deadlines };
    await this.#store.save(accepted);
    try {
      this.#deadlines = deadlines;
      this.#health.set(state);
      await this.#install(before, state);
    } catch (error) {
      await this.#takeBack(last, error);
      throw error;
    }
    this.#accepted = accepted;
    this.#drains.set(deadlines, Date.now());
    this.#logger.info(
      { revision: accepted.revision, changes: plan.changes.length, moved: plan.moved },
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
    await this.#store.save(last);
    try {
      await this.#installAll(last.state);
    } catch (error) {
      this.#logger.error({ err: error }, "The datapath did not take the old state either.");
    }
  }

  /** Complete and checked, in the network as it is now. @throws InvalidState */
  #checked(next: State): State {
    const state = completeState(next, surroundingsOf(next.devices?.[0]?.name));
    const known = new Set(this.state.devices.map(({ name }) => name));
    const problems = state.devices.flatMap(({ name }, index): Problem[] => {
      // One that is away may come back; one that was never there is a mistake.
      if (known.has(name) || findLink(name) !== null) return [];
      return [{ path: `/devices/${index}/name`, what: `There is no device ${name}.`, fix: "See which there are: ip link" }];
    });
    if (problems.length > 0) throw new InvalidState(problems);
    return state;
  }

  async #installAll(state: State): Promise<void> {
    const sources = sourcesOf(state);
    this.#sources = sources;
    this.#datapath.configure({ ...state, ...sources });
    await this.#datapath.tables.replaceAll(
      state.services.map((service) => wantedService(service, state, this.#circumstances)),
      sources,
    );
    this.#attach(state.devices);
  }

  /** What differs only. */
  async #install(before: State, state: State): Promise<void> {
    const [sources, sourcesBefore] = [sourcesOf(state), this.#sources];
    this.#sources = sources;
    this.#datapath.configure({ ...state, ...sources });
    const isOther = otherServices(before, state, sources, sourcesBefore);
    const kept = new Set(state.services.map(serviceIdentity));
    const gone = before.services.map(serviceIdentity).filter((identity) => !kept.has(identity));
    await this.#datapath.tables.remove(gone);
    const changed = state.services.filter(isOther).map((service) => wantedService(service, state, this.#circumstances));
    await this.#datapath.tables.update(changed, sources);
    this.#attach(state.devices);
  }

  /** Those of the accepted state. */
  async #rewrite(service: Service): Promise<void> {
    await this.#datapath.tables.update([wantedService(service, this.state, this.#circumstances)], this.#sources);
  }

  #healthChanged(change: HealthChange): void {
    this.#healthChanges.push(change);
    // Those that come before its turn are done in the same.
    if (this.#healthChanges.length === 1) void this.#turns.take(() => this.#followHealth());
  }

  async #followHealth(): Promise<void> {
    for (const change of this.#healthChanges.splice(0)) {
      const identity = serviceIdentity(change.service);
      const service = this.state.services.find((each) => serviceIdentity(each) === identity);
      if (service === undefined || !this.#open) continue;
      try {
        await this.#followChange(service, change);
      } catch (error) {
        this.#logger.error({ err: error, service: service.name }, "The datapath did not follow a change of health.");
      }
    }
  }

  async #followChange(service: Service, { backend, from, state: { health: to, reason, since } }: HealthChange): Promise<void> {
    const of = tableSizeOf(service, this.state);
    const names = service.backends.map((each) => backendIdentity(each, service));
    const table = () => tableOf(service, of, (each) => this.#health.isUp(service, each));
    const [before, wasOpen] = [table(), this.#health.isFailOpen(service)];
    let moved = 0;
    if (this.#health.decide(service)) {
      await this.#rewrite(service);
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
    this.#logger.warn({ service: service.name, open }, "All backends fail their checks, or do no more.");
    this.#tell({ at: since, type: "fail-open", service: service.name, open });
  }

  /** Backends whose time to drain is over lose their connections. */
  async #endDrains(): Promise<void> {
    if (!this.#open) return;
    for (const { service, backend } of draining(this.state)) {
      if (!this.#circumstances.isDrained(service, backend) || this.#stateOf(service, backend) !== BackendState.UP) continue;
      await this.#rewrite(service);
      this.#logger.info({ service: service.name, backend: backendName(backend) }, "A backend has drained.");
      this.#tell({ at: new Date(), type: "drained", service: service.name, backend: backendName(backend) });
    }
    this.#drains.set(this.#deadlines, Date.now());
  }

  #attach(devices: readonly Device[]): void {
    const refused: unknown[] = [];
    for (const attachment of this.#datapath.attach(devices)) {
      const before = this.#attached.get(attachment.device);
      this.#attached.set(attachment.device, attachment);
      if (!attachment.attached && attachment.error !== undefined) refused.push(attachment.error);
      this.#tellDevice(before, attachment);
    }
    for (const name of this.#attached.keys()) if (!devices.some((device) => device.name === name)) this.#attached.delete(name);
    if (refused.length > 0) throw refused[0];
  }

  #tellDevice(before: Attachment | undefined, now: Attachment): void {
    const reason = now.attached ? undefined : now.reason;
    const same =
      before !== undefined && before.attached === now.attached && (before.attached ? undefined : before.reason) === reason;
    if (same) return;
    this.#logger.info(
      { device: now.device, reason },
      now.attached ? "The datapath is on a device." : "The datapath is not on a device.",
    );
    this.#tell({
      at: new Date(),
      type: "device",
      device: now.device,
      attached: now.attached,
      ...(reason !== undefined && { reason }),
    });
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
      isFailOpen: (service) => this.#health.isFailOpen(service),
    });
    const devices = [...this.#attached.values()].flatMap((each) => (each.attached ? [each.status] : []));
    return { revision, since, devices, services, reasons: reasonCounters(this.#datapath.maps) };
  }

  async pressure(): Promise<MapPressure[]> {
    this.#mustBeOpen();
    return await this.#pressure.read();
  }

  async explain(question: FlowQuestion): Promise<FlowAnswer> {
    this.#mustBeOpen();
    const [client, address] = [readAddress(question.client), readAddress(question.address)];
    const problems: Problem[] = [];
    if (!isAddress(client)) problems.push({ path: "/client", ...client });
    if (!isAddress(address)) problems.push({ path: "/address", ...address });
    if (isAddress(client) && isAddress(address)) {
      if (client.family === address.family) {
        const flow = { ...question, client: client.bytes, address: address.bytes };
        return explainFlow(this.#datapath.maps, flow, this.state);
      }
      problems.push({
        path: "/client",
        what: "The two addresses are of different families.",
        fix: "Give two IPv4 or two IPv6 addresses.",
      });
    }
    throw new InvalidState(problems, "This is no connection that can be looked for.");
  }

  subscribe(listener: (event: BalancerEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  async close({ detach = false }: { detach?: boolean } = {}): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#health.close();
    this.#drains.close();
    await this.#turns.done();
    this.#events.close();
    this.#datapath.close({ detach });
    this.#store.close();
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

/** Which services of `after` are to be written: all whose entries depend on what has changed. */
function otherServices(before: State, after: State, sources: Sources, sourcesBefore: Sources): (service: Service) => boolean {
  if (before.tableSize !== after.tableSize || !isSame(sources, sourcesBefore)) return () => true;
  const known = new Map(before.services.map((service) => [serviceIdentity(service), service]));
  return (service) => !isSame(service, known.get(serviceIdentity(service)));
}
