/**
 * Writes services and backends into the maps of the datapath, as differences from what is there, in an order in which no packet meets a service
 * that is half written: backends, then the ring that names them, then the service, then its address. What goes, goes the other way round.
 *
 * Numbers are given out here and stay: a service is known by where clients send to, a backend of it by its address and port. What the maps hold
 * says which number is whose, so a new process finds the numbers that its predecessor gave, and nothing else has to remember them.
 */
import { BackendState, Mode } from "../../programs/balancer-maps.bpf.ts";
import type { Backend, Service } from "../contract.ts";
import { knownPrefix } from "../network-address.ts";
import { backendIdentity, serviceIdentity, tableOf } from "../table.ts";
import { type DatapathMaps, type InstalledBackend, type InstalledService, readInstalled } from "./installed.ts";
import { Numbers } from "./numbers.ts";
import {
  type BackendRecord,
  backendRecord,
  type Hop,
  hopOf,
  isSameRecord,
  isSameService,
  NO_BACKEND,
  type ServiceKey4,
  type ServiceKey6,
  type ServiceRecord,
  type Sources,
  serviceKey,
  serviceRecord,
} from "./records.ts";
import { EMPTY, type Ring, RingWriter, ringName } from "./rings.ts";

export interface WantedBackend {
  backend: Backend;
  /** It keeps its connections. */
  up: boolean;
  /** It gets new ones, if it has a weight. */
  takes: boolean;
  /** Null: the kernel's routes are asked. Undefined: as it is. */
  hop: Hop | null | undefined;
}

export interface WantedService {
  service: Service;
  tableSize: number;
  backends: readonly WantedBackend[];
}

/** The numbers of a service and its backends, for those who read counters. */
export interface ServiceNumbers {
  readonly number: number;
  /** The ring's name, which changes with what is in it. */
  readonly ring: string | null;
  /** By `backendIdentity`. */
  backends: ReadonlyMap<string, { readonly number: number; readonly record: BackendRecord }>;
}

export class Tables {
  readonly #maps: DatapathMaps;
  readonly #services: Map<string, InstalledService>;
  readonly #vips: Set<string>;
  readonly #rings: RingWriter;
  readonly #serviceNumbers: Numbers;
  readonly #backendNumbers: Numbers;
  readonly #generations: Uint32Array;
  /** Services' numbers whose counters are not zero, perhaps: all, in maps that another process has filled. */
  readonly #counted: Set<number> | null;
  #lost: { backends: number[]; rings: number[] };

  /** `fresh`: the maps have just been made. */
  constructor(maps: DatapathMaps, fresh: boolean) {
    this.#maps = maps;
    this.#rings = new RingWriter(maps.rings);
    const installed = readInstalled(maps);
    this.#services = installed.services;
    this.#vips = installed.vips;
    this.#generations = installed.generations;
    this.#lost = { backends: installed.lostBackends, rings: installed.lostRings };
    this.#counted = fresh ? new Set() : null;
    this.#serviceNumbers = new Numbers("services", maps.rings.maxEntries);
    this.#backendNumbers = new Numbers("backends", maps.backends.maxEntries);
    for (const { number, backends } of installed.services.values()) {
      this.#serviceNumbers.claim(number);
      for (const backend of backends.values()) this.#backendNumbers.claim(backend.number);
    }
    for (const number of installed.lostBackends) this.#backendNumbers.claim(number);
    for (const number of installed.lostRings) this.#serviceNumbers.claim(number);
  }

  /** The numbers of a service by its `serviceIdentity`; undefined when it is not there. */
  numbersOf(identity: string): ServiceNumbers | undefined {
    return this.#services.get(identity);
  }

  /** How many entries the maps have that only this object writes. */
  get used(): Record<"services" | "services4" | "services6" | "backends" | "vips4" | "vips6", number> {
    const six = (texts: Iterable<string>) => [...texts].filter((text) => text.includes(":")).length;
    const [services6, vips6] = [six(this.#services.keys()), six(this.#vips)];
    const services = this.#services.size;
    const vips4 = this.#vips.size - vips6;
    return { services, services4: services - services6, services6, backends: this.#backendNumbers.used, vips4, vips6 };
  }

  /**
   * Makes the maps hold these services and no others. One call at a time.
   *
   * @throws WirescriptError MAP when a map is full; what was written until then stays, and is known: another call goes on from there.
   */
  async replaceAll(wanted: readonly WantedService[], sources: Sources): Promise<void> {
    const kept = new Set(wanted.map(({ service }) => serviceIdentity(service)));
    // First what goes, which makes room.
    await this.remove([...this.#services.keys()].filter((identity) => !kept.has(identity)));
    await this.#removeLost();
    await this.update(wanted, sources);
  }

  /** Makes the maps hold these services besides the others. @throws WirescriptError MAP */
  async update(wanted: readonly WantedService[], sources: Sources): Promise<void> {
    try {
      await this.#write(wanted.map((each) => this.#prepare(each, sources)));
    } catch (error) {
      // Numbers that were taken for backends, and not written.
      const written = [...this.#services.values()].flatMap(({ backends }) =>
        [...backends.values()].map(({ number }) => number),
      );
      this.#backendNumbers.retain(new Set([...written, ...this.#lost.backends]));
      throw error;
    }
  }

  async #write(prepared: readonly Prepared[]): Promise<void> {
    const changed = prepared.flatMap((each) => each.changed);
    // Who takes no more connections is in no ring first: else those that hash to it would be dropped until then.
    const isEnding = ({ backend }: ChangedBackend) => backend.record.state === BackendState.NONE;
    this.#writeBackends(changed.filter((each) => !isEnding(each)));
    const byNumber = new Map(prepared.map((each) => [each.installed.number, each]));
    // A ring may be larger than its service says, not smaller.
    this.#writeServices(prepared.filter(({ installed, record }) => record.ringSize < (installed.record?.ringSize ?? 0)));
    const rings = prepared.filter(({ installed, ring }) => installed.ring !== ring.name).map(({ ring }) => ring);
    await this.#rings.write(rings, (done) => {
      for (const { service, name } of done) (byNumber.get(service) as Prepared).installed.ring = name;
    });
    this.#writeServices(prepared);
    this.#writeVips(prepared.map(({ service }) => service.address));
    const ending = changed.filter(isEnding);
    const gone = prepared.flatMap(({ installed, gone }) => gone.map((identity) => take(installed.backends, identity)));
    if (ending.length + gone.length === 0) return;
    await this.#rings.left();
    // Nothing leads to these any more.
    this.#writeBackends(ending);
    this.#dropBackends(gone);
  }

  /** Takes services out, by their `serviceIdentity`. */
  async remove(identities: readonly string[]): Promise<void> {
    const going = identities.flatMap((identity) => this.#services.get(identity) ?? []);
    this.#deleteServices(identities);
    this.#deleteVips();
    const rings = going
      .filter(({ ring }) => ring !== null && ring !== EMPTY.name)
      .map(({ number }) => ({ service: number, ...EMPTY }));
    await this.#rings.write(rings, () => {});
    const backends = going.flatMap(({ backends }) => [...backends.values()].map(({ number }) => number));
    if (backends.length > 0) await this.#rings.left();
    this.#dropBackends(backends);
    for (const identity of identities) this.#services.delete(identity);
    for (const { number } of going) this.#serviceNumbers.release(number);
  }

  async #removeLost(): Promise<void> {
    const { backends, rings } = this.#lost;
    this.#dropBackends(backends);
    // They stay where they are when they are empty: the kernel does not take many out at once.
    await this.#rings.write(
      rings.map((service) => ({ service, ...EMPTY })),
      () => {},
    );
    for (const number of rings) this.#serviceNumbers.release(number);
    this.#lost = { backends: [], rings: [] };
  }

  #prepare({ service, tableSize, backends }: WantedService, sources: Sources): Prepared {
    const identity = serviceIdentity(service);
    const installed = this.#services.get(identity) ?? this.#newService(identity);
    const changed: ChangedBackend[] = [];
    const takers: { number: number; identity: string; weight: number }[] = [];
    const numbers: number[] = [];
    const wanted = new Set<string>();
    const taking = new Set<Backend>();
    for (const { backend, up, takes, hop } of backends) {
      const identity = backendIdentity(backend, service);
      wanted.add(identity);
      const there = installed.backends.get(identity);
      const number = there?.number ?? this.#newBackend();
      // Connections of NAT have ports, which those of other modes lack: they go on as new ones.
      if (there !== undefined && (there.record.mode === Mode.NAT) !== (service.mode === "nat")) this.#beginAnew(number);
      const generation = this.#generations[number] as number; // as many as numbers
      const known = hop === undefined ? (there === undefined ? null : hopOf(there.record)) : hop;
      const record = backendRecord({ service, serviceNumber: installed.number, backend, generation, up, hop: known, sources });
      if (there === undefined || !isSameRecord(there.record, record))
        changed.push({ installed, identity, backend: { number, record } });
      numbers.push(number);
      if (!takes || backend.drain || backend.weight === 0) continue;
      taking.add(backend);
      takers.push({ number, identity, weight: backend.weight });
    }
    const isTaking = (backend: Backend) => taking.has(backend);
    const slots = () => numbersBySlot(tableOf(service, tableSize, isTaking), numbers);
    return {
      service,
      installed,
      changed,
      gone: [...installed.backends.keys()].filter((each) => !wanted.has(each)),
      record: serviceRecord(service, installed.number, tableSize),
      ring: { service: installed.number, size: tableSize, name: ringName(tableSize, takers), numbers: slots },
    };
  }

  #newService(identity: string): InstalledService {
    const number = this.#serviceNumbers.take();
    if (this.#counted === null || this.#counted.has(number)) {
      const stats = this.#maps.service_stats;
      const zero = { packets: 0n, bytes: 0n, replies: 0n, replyBytes: 0n, flows: 0n, drops: 0n };
      stats.set(
        number,
        Array.from({ length: stats.cpus }, () => zero),
      );
    }
    this.#counted?.add(number);
    const service: InstalledService = { number, record: null, ring: null, backends: new Map() };
    this.#services.set(identity, service);
    return service;
  }

  /** No connection of before is one of this number's any more. */
  #beginAnew(number: number): void {
    this.#generations[number] = (this.#generations[number] as number) + 1; // as many as numbers
  }

  #newBackend(): number {
    const number = this.#backendNumbers.take();
    const generation = this.#generations[number] as number; // as many as numbers
    if (generation > 0) {
      const stats = this.#maps.backend_stats;
      const zero = { packets: 0n, bytes: 0n, replies: 0n, replyBytes: 0n, flows: 0n };
      stats.set(
        number,
        Array.from({ length: stats.cpus }, () => zero),
      );
    }
    this.#beginAnew(number);
    return number;
  }

  #writeBackends(changed: readonly ChangedBackend[]): void {
    this.#maps.backends.setMany(changed.map(({ backend: { number, record } }) => [number, record]));
    for (const { installed, identity, backend } of changed) installed.backends.set(identity, backend);
  }

  #writeServices(prepared: readonly Prepared[]): void {
    const changed = prepared.filter(
      ({ installed, record }) => installed.record === null || !isSameService(installed.record, record),
    );
    const [entries4, entries6] = byFamily(changed, ({ service, record }) => ({ key: serviceKey(service), value: record }));
    this.#maps.services4.setMany(entries4);
    this.#maps.services6.setMany(entries6);
    for (const { installed, record } of changed) installed.record = record;
  }

  #deleteServices(identities: readonly string[]): void {
    const keys = identities.map(keyOfIdentity);
    this.#maps.services4.deleteMany(keys.flatMap((key) => (key.family === 4 ? [key.key] : [])));
    this.#maps.services6.deleteMany(keys.flatMap((key) => (key.family === 6 ? [key.key] : [])));
    for (const identity of identities) {
      const service = this.#services.get(identity);
      if (service !== undefined) service.record = null;
    }
  }

  #writeVips(addresses: readonly string[]): void {
    const added = [...new Set(addresses)].filter((address) => !this.#vips.has(address));
    const prefixes = added.map((address) => knownPrefix(address));
    this.#maps.vips4.setMany(
      prefixes.flatMap(({ family, bytes, prefixLength }) => {
        const address = numberOf(bytes);
        return family === 4
          ? [
              [
                { prefixLength, address },
                { network: address, prefixLength },
              ] as const,
            ]
          : [];
      }),
    );
    this.#maps.vips6.setMany(
      prefixes.flatMap(({ family, bytes, prefixLength }) =>
        family === 6
          ? [
              [
                { prefixLength, address: bytes },
                { network: bytes, prefixLength },
              ] as const,
            ]
          : [],
      ),
    );
    for (const address of added) this.#vips.add(address);
  }

  /** Those of which no service is left. */
  #deleteVips(): void {
    const needed = new Set(
      [...this.#services].filter(([, { record }]) => record !== null).map(([identity]) => identity.split(" ")[1] as string),
    );
    const gone = [...this.#vips].filter((address) => !needed.has(address));
    const prefixes = gone.map((address) => knownPrefix(address));
    this.#maps.vips4.deleteMany(
      prefixes.flatMap(({ family, bytes, prefixLength }) => (family === 4 ? [{ prefixLength, address: numberOf(bytes) }] : [])),
    );
    this.#maps.vips6.deleteMany(
      prefixes.flatMap(({ family, bytes, prefixLength }) => (family === 6 ? [{ prefixLength, address: bytes }] : [])),
    );
    for (const address of gone) this.#vips.delete(address);
  }

  /** What remains of a backend is its generation, so that the next one gets another. */
  #dropBackends(numbers: readonly number[]): void {
    this.#maps.backends.setMany(
      numbers.map((number) => [number, { ...NO_BACKEND, generation: this.#generations[number] as number }]),
    );
    for (const number of numbers) this.#backendNumbers.release(number);
  }
}

interface ChangedBackend {
  installed: InstalledService;
  identity: string;
  backend: InstalledBackend;
}

interface Prepared {
  service: Service;
  installed: InstalledService;
  changed: ChangedBackend[];
  /** Identities of backends that it has no more. */
  gone: string[];
  record: ServiceRecord;
  ring: Ring;
}

/** The backends' numbers in place of their indexes; 0 where nobody takes connections. */
function numbersBySlot(table: Int32Array, numbers: readonly number[]): Uint32Array {
  const slots = new Uint32Array(table.length);
  for (let slot = 0; slot < table.length; slot++) {
    const index = table[slot] as number; // within the table
    if (index >= 0) slots[slot] = numbers[index] as number; // as many as backends
  }
  return slots;
}

/** The number of a backend that goes. */
function take(backends: Map<string, InstalledBackend>, identity: string): number {
  const { number } = backends.get(identity) as InstalledBackend; // the identity is one of its keys
  backends.delete(identity);
  return number;
}

function keyOfIdentity(identity: string): ReturnType<typeof serviceKey> {
  const [protocol, address, port] = identity.split(" ") as [Service["protocol"], string, string];
  return serviceKey({ protocol, address, port: port === "all" ? "all" : Number(port) });
}

function byFamily<T>(all: readonly T[], entry: (each: T) => { key: ReturnType<typeof serviceKey>; value: ServiceRecord }) {
  const entries4: [ServiceKey4, ServiceRecord][] = [];
  const entries6: [ServiceKey6, ServiceRecord][] = [];
  for (const each of all) {
    const { key, value } = entry(each);
    if (key.family === 4) entries4.push([key.key, value]);
    else entries6.push([key.key, value]);
  }
  return [entries4, entries6] as const;
}

function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}
