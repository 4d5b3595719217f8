/** The balancer's program, loaded with maps of its own and steered as its service would, for fixtures. */

import { prepareFlowTables } from "../../src/balancer/datapath/flow-tables.ts";
import { compile } from "../../src/compiler/compile.ts";
import {
  type HashMap,
  type LoadedObject,
  type LoadedProgram,
  loadSpec,
  type ObjectSpec,
  type PerCpuArrayMap,
} from "../../src/index.ts";
import type * as Maps from "../../src/programs/balancer-maps.bpf.ts";
import { BackendState, Mode, Reason, ServiceFlag } from "../../src/programs/balancer-maps.bpf.ts";
import { ipv4ToNumber, parseIp } from "../../src/sys/ip-address.ts";
import { parseMac } from "../../src/sys/mac.ts";
import { getLink } from "../../src/sys/netlink/index.ts";
import { sourceOf } from "../programs/subject.ts";
import type { BackendFixture, Counts, Fixture, ServiceFixture } from "./fixtures.ts";
import { forgetFlows, makeFlowsOlder } from "./flow-tables.ts";

type Datapath = typeof Maps & typeof import("../../src/programs/balancer.bpf.ts");

/** How many entries tables have: few, so that they are quickly cleared and read. Of connections they are buckets. */
const ENTRIES = {
  services4: 64,
  services6: 64,
  vips4: 64,
  vips6: 64,
  backends: 64,
  rings: 64,
  flows4: 512,
  flows6: 512,
  origins4: 4096,
  origins6: 4096,
  service_stats: 64,
  backend_stats: 64,
};
/** Always the same: what is kept per CPU stays in one place. */
const CPU = 0;
const USUAL_MTUS = { lo: 65_536, out: 1500 };
const ETHERNET_HEADER = 14;
/** More than a tick of the kernel's, at 100 Hz. */
const COARSE_NS = 20_000_000n;
/** The program counts time in these nanoseconds. */
const TICK = 2n ** 30n;

type Counter = Record<string, bigint>;

export class BalancerUnderTest implements Disposable {
  static readonly ENTRIES: Readonly<Record<string, number>> = ENTRIES;
  readonly #object: LoadedObject<Datapath>;

  constructor(spec: ObjectSpec, settings: Fixture["settings"], entries: Record<string, number> = BalancerUnderTest.ENTRIES) {
    const bytes = Object.entries(settings).map(([name, value]) => [
      name,
      name === "source6" ? parseIp(`${value}`) : number(value),
    ]);
    this.#object = loadSpec<Datapath>(spec, { settings: Object.fromEntries(bytes), entries });
    prepareFlowTables(this.#object.maps);
  }

  static compile(): ObjectSpec {
    return compile(sourceOf("programs/balancer.bpf.ts")).spec;
  }

  get object(): LoadedObject<Datapath> {
    return this.#object;
  }

  get program(): LoadedProgram {
    return this.#object.program("balancer");
  }

  [Symbol.dispose](): void {
    this.#object[Symbol.dispose]();
  }

  /** As just loaded. */
  reset(): void {
    const { maps } = this.#object;
    this.#clearConfiguration();
    for (const map of [maps.origins4, maps.origins6]) map.clear();
    for (const table of [maps.flows4, maps.flows6]) forgetFlows(table);
    for (const map of [maps.service_stats, maps.backend_stats, maps.reasons]) zero(map);
    zero(maps.rates);
    this.knowMtus(USUAL_MTUS);
  }

  /** These services, and no others. Connections stay. */
  configure(services: readonly ServiceFixture[]): void {
    const { maps } = this.#object;
    this.#clearConfiguration();
    for (const service of services) {
      for (const backend of service.backends) maps.backends.set(backend.number, backendValue(service, backend));
      using ring = maps.rings.create(undefined, { entries: service.ring.length });
      for (const [slot, backend] of service.ring.entries()) ring.set(slot, backend);
      maps.rings.set(service.number, ring);
      const prefix = `${service.address}/${service.prefix}`;
      const key = { port: service.port, protocol: service.protocol, prefixLength: service.prefix };
      const flags = service.affinity ? ServiceFlag.SOURCE_AFFINITY : 0;
      const value = { number: service.number, ringSize: service.ring.length, flags };
      if (service.family === 4) {
        maps.services4.set({ ...key, address: ipv4ToNumber(service.address) }, value);
        maps.vips4.set(prefix, { network: ipv4ToNumber(service.address), prefixLength: service.prefix });
      } else {
        maps.services6.set({ ...key, address: parseIp(service.address) }, value);
        maps.vips6.set(prefix, { network: parseIp(service.address), prefixLength: service.prefix });
      }
    }
  }

  #clearConfiguration(): void {
    const { maps } = this.#object;
    for (const map of [maps.services4, maps.services6]) map.clear();
    for (const map of [maps.vips4, maps.vips6]) for (const [prefix] of [...map.prefixes()]) map.delete(prefix);
    // Rings may stay: the kernel takes milliseconds to take one out, and without its service nobody looks at it.
    for (const [number, { state }] of [...maps.backends]) {
      if (state !== BackendState.NONE) maps.backends.set(number, { ...NO_BACKEND });
    }
  }

  /** All connections were last seen so many seconds earlier. */
  age(seconds: number): void {
    const ticks = Math.ceil((seconds * 1e9) / Number(TICK));
    const { flows4, flows6, origins4, origins6 } = this.#object.maps;
    makeFlowsOlder(flows4, ticks);
    makeFlowsOlder(flows6, ticks);
    makeOlder(origins4, ticks);
    makeOlder(origins6, ticks);
  }

  /** What `mtus` has, by the device's name, with the quick answer that follows from it. */
  knowMtus(mtus: Record<string, number>): void {
    const { maps, globals } = this.#object;
    maps.mtus.clear();
    for (const [device, mtu] of Object.entries(mtus)) maps.mtus.set(getLink(device).ifindex, mtu);
    globals.safe_length = Math.min(...Object.values(mtus)) + ETHERNET_HEADER;
  }

  /** Answers to clients of all connections leave by this device. */
  moveClients(device: string): void {
    const { origins4, origins6 } = this.#object.maps;
    const { ifindex } = getLink(device);
    for (const [key, origin] of [...origins4]) origins4.set(key, { ...origin, ifindex });
    for (const [key, origin] of [...origins6]) origins6.set(key, { ...origin, ifindex });
  }

  /** Which of the periods that the program counts time in it is. */
  static period(): bigint {
    return process.hrtime.bigint() / TICK;
  }

  /** Waits for the first half of a period, but not its very beginning, where the kernel's coarse clock is behind. Returns which it is. */
  static beginPeriod(): bigint {
    for (let into = TICK; into >= TICK / 2n || into < COARSE_NS; into = process.hrtime.bigint() % TICK);
    return BalancerUnderTest.period();
  }

  /** Packets may leave by this device. */
  allow(device: string): void {
    const { ifindex } = getLink(device);
    this.#object.maps.devices.set(ifindex, ifindex);
  }

  send(packet: Uint8Array): { verdict: string; packet: Uint8Array } {
    return this.program.run(packet, { cpu: CPU });
  }

  /** All counters that are not 0. */
  counts(): Counts {
    const { service_stats, backend_stats, reasons } = this.#object.maps;
    const named = Object.entries(Reason).map(([name, number]) => [name, reasons.sum(number)] as const);
    return {
      services: nonZero(service_stats),
      backends: nonZero(backend_stats),
      reasons: Object.fromEntries(
        named
          .filter(([, { packets }]) => packets !== 0n)
          .map(([name, { packets, bytes }]) => [name, [Number(packets), Number(bytes)]]),
      ),
    };
  }
}

const NO_BACKEND = {
  generation: 0,
  service: 0,
  timeout: 0,
  state: BackendState.NONE as number,
  mode: Mode.NAT as number,
  family: 4,
  unused: 0,
  mac: new Uint8Array(6),
  sourceMac: new Uint8Array(6),
  ifindex: 0,
  address4: 0,
  source4: 0,
  address6: new Uint8Array(16),
  source6: new Uint8Array(16),
  port: 0,
  unused2: new Uint8Array(6),
};

function backendValue(service: ServiceFixture, { family, address, source, ...backend }: BackendFixture) {
  return {
    ...NO_BACKEND,
    ...(family === 4 ? { address4: ipv4ToNumber(address) } : { address6: parseIp(address) }),
    ...(source !== null && (family === 4 ? { source4: ipv4ToNumber(source) } : { source6: parseIp(source) })),
    generation: backend.generation,
    service: service.number,
    timeout: service.timeout,
    state: BackendState[backend.state],
    mode: Mode[service.mode],
    family,
    mac: parseMac(backend.mac),
    sourceMac: parseMac(backend.sourceMac),
    ifindex: typeof backend.ifindex === "number" ? backend.ifindex : getLink(backend.ifindex).ifindex,
    port: backend.port,
  };
}

function makeOlder<K, V extends { lastSeen: number }>(map: HashMap<K, V>, ticks: number): void {
  for (const [key, value] of [...map]) map.set(key, { ...value, lastSeen: Math.max(0, value.lastSeen - ticks) });
}

function number(value: string | number): number {
  return typeof value === "number" ? value : ipv4ToNumber(value);
}

function zero<V extends object>(map: PerCpuArrayMap<V>): void {
  for (const [index, copies] of [...map]) {
    const blank = (copy: V) =>
      Object.fromEntries(Object.entries(copy).map(([name, value]) => [name, typeof value === "bigint" ? 0n : 0])) as V;
    map.set(index, copies.map(blank));
  }
}

function nonZero(map: PerCpuArrayMap<Counter>): Record<string, Record<string, number>> {
  const found: Record<string, Record<string, number>> = {};
  for (const [index, sum] of map.sums()) {
    const counted = Object.entries(sum).filter(([, count]) => count !== 0n);
    if (counted.length > 0) found[index] = Object.fromEntries(counted.map(([name, count]) => [name, Number(count)]));
  }
  return found;
}
