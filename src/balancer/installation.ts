/**
 * Makes the datapath what the state says, in an order in which packets never meet a part of it: settings, then the devices that packets may leave by,
 * then services, and at last the devices that they come in by. One call at a time.
 */
import { changedServices } from "./changed-services.ts";
import type { Device, DeviceStatus, MissingDevice, Service, State } from "./contract.ts";
import type { Attachment } from "./datapath/attachments.ts";
import type { Datapath } from "./datapath/datapath.ts";
import type { Sources } from "./datapath/records.ts";
import { type Circumstances, wantedService } from "./effective.ts";
import { hopKey, type Neighbours } from "./neighbours.ts";
import { isSame } from "./same.ts";
import { foundSources, NO_SOURCES, statedSources } from "./sources.ts";
import { serviceIdentity } from "./table.ts";

export interface InstallationParts {
  datapath: Datapath;
  neighbours: Neighbours;
  circumstances: Circumstances;
  /** Hears of devices that the datapath is on, or not, other than before. */
  attached: (attachment: Attachment) => void;
  /** Hears of other addresses to send from; at first there are none. */
  sending: (before: Sources, now: Sources) => void;
}

export class Installation {
  readonly #parts: InstallationParts;
  /** As the datapath has them. */
  #sources: Sources = NO_SOURCES;
  /** What would be without those that the state says. */
  #found: Sources = NO_SOURCES;
  readonly #attachments = new Map<string, Attachment>();

  constructor(parts: InstallationParts) {
    this.#parts = parts;
  }

  /** The addresses that the datapath sends from. */
  get sources(): Sources {
    return this.#sources;
  }

  /** The addresses that the network would give to a state that says none, now. */
  foundFor(state: Partial<Pick<State, "devices" | "services">>): Sources {
    return foundSources(state, this.#found);
  }

  /** The devices that the datapath is on. */
  get devices(): DeviceStatus[] {
    return [...this.#attachments.values()].flatMap((each) => (each.attached ? [each.status] : []));
  }

  /** The devices of the state that it is not on. */
  get missingDevices(): MissingDevice[] {
    return [...this.#attachments.values()].flatMap((each) =>
      each.attached ? [] : [{ name: each.device, reason: each.reason }],
    );
  }

  /** Whatever the datapath is now. @throws WirescriptError MAP, VERIFIER; DEVICE_BUSY and others for a device that refuses. */
  async all(state: State): Promise<void> {
    this.#prepare(state);
    const { tables } = this.#parts.datapath;
    await this.#reaching(() => tables.replaceAll(state.services.map(this.#wanted(state)), this.#sources));
    this.#attach(state.devices);
  }

  /** What differs from `before`, which was installed. @throws as `all` */
  async difference(before: State, state: State): Promise<void> {
    const { tables } = this.#parts.datapath;
    const sources = this.#sources;
    this.#prepare(state);
    const { gone, changed } = changedServices(before.services, state.services);
    const allChange = before.tableSize !== state.tableSize || !isSame(this.#sources, sources);
    const written = allChange ? state.services : changed;
    await tables.remove(gone.map(serviceIdentity));
    await this.#reaching(() => tables.update(written.map(this.#wanted(state)), this.#sources));
    this.#attach(state.devices);
  }

  /** Services of an installed state, whose circumstances are others. @throws WirescriptError MAP */
  async services(state: State, services: readonly Service[]): Promise<void> {
    const { tables } = this.#parts.datapath;
    await this.#reaching(() => tables.update(services.map(this.#wanted(state)), this.#sources));
  }

  /** What follows from the network's being another one. @throws as `all` */
  async network(state: State): Promise<void> {
    if (!isSame(statedSources(state, this.foundFor(state)), this.#sources)) await this.all(state);
    else this.#attach(state.devices);
  }

  #prepare(state: State): void {
    const { datapath, neighbours } = this.#parts;
    this.#found = this.foundFor(state);
    const before = this.#sources;
    this.#sources = statedSources(state, this.#found);
    datapath.configure({ ...state, ...this.#sources });
    if (!isSame(before, this.#sources)) this.#parts.sending(before, this.#sources);
    neighbours.set(state.services.flatMap(({ backends }) => backends.map(hopKey)));
  }

  /** Packets may leave by all devices that backends are behind: from before their records say so, until they say so no more. */
  async #reaching(work: () => Promise<void>): Promise<void> {
    const { datapath, neighbours } = this.#parts;
    datapath.reach(neighbours.ifindexes);
    await work();
    datapath.reachOnly(neighbours.ifindexes);
  }

  #wanted(state: State) {
    return (service: Service) => wantedService(service, state, this.#parts.circumstances);
  }

  #attach(devices: readonly Device[]): void {
    const refused: unknown[] = [];
    for (const attachment of this.#parts.datapath.attach(devices)) {
      const before = this.#attachments.get(attachment.device);
      this.#attachments.set(attachment.device, attachment);
      if (!attachment.attached && attachment.error !== undefined) refused.push(attachment.error);
      if (!isSame(fate(before), fate(attachment))) this.#parts.attached(attachment);
    }
    const names = new Set(devices.map(({ name }) => name));
    for (const [name, { attached }] of [...this.#attachments]) {
      if (names.has(name)) continue;
      this.#attachments.delete(name);
      if (attached) this.#parts.attached({ device: name, attached: false, reason: "The state does not name it any more." });
    }
    if (refused.length > 0) throw refused[0];
  }
}

function fate(attachment: Attachment | undefined): object | undefined {
  if (attachment === undefined) return undefined;
  return attachment.attached
    ? { ifindex: attachment.status.ifindex, mode: attachment.status.mode }
    : { reason: attachment.reason };
}
