/** The picture of a running balancer that the API and the metrics show. */

import { formatMac } from "../sys/mac.ts";
import { findLink } from "../sys/netlink/index.ts";
import { backendPort } from "./checks.ts";
import type { Backend, BackendStatus, Health, Service, ServiceStatus, State } from "./contract.ts";
import { backendCounters, serviceCounters } from "./datapath/counters.ts";
import type { Datapath } from "./datapath/datapath.ts";
import { type BackendRecord, hopOf } from "./datapath/records.ts";
import { backendName } from "./names.ts";
import { SlotCounts } from "./slot-counts.ts";
import { backendIdentity, serviceIdentity, tableSizeOf } from "./table.ts";

/** What is known of a backend's health. */
export interface HealthStatus {
  health: Health;
  reason?: string;
  since: Date;
}

export interface StatusSources {
  datapath: Datapath;
  state: State;
  healthOf(service: Service, backend: Backend): HealthStatus;
  isUp(service: Service, backend: Backend): boolean;
  isDrained(service: Service, backend: Backend): boolean;
  isFailOpen(service: Service): boolean;
}

/** So many services are looked at before others get their turn. */
const AT_ONCE = 50;

export class ServiceStatuses {
  readonly #slots = new SlotCounts();

  async read(sources: StatusSources): Promise<ServiceStatus[]> {
    const { services } = sources.state;
    const devices = new Map<number, string | undefined>();
    const deviceOf = (ifindex: number) => {
      if (!devices.has(ifindex)) devices.set(ifindex, findLink(ifindex)?.name);
      return devices.get(ifindex);
    };
    const statuses: ServiceStatus[] = [];
    for (const [index, service] of services.entries()) {
      statuses.push(this.#service(service, sources, deviceOf));
      if ((index + 1) % AT_ONCE === 0) await new Promise(setImmediate);
    }
    this.#slots.retain(services);
    return statuses;
  }

  #service(service: Service, sources: StatusSources, deviceOf: (ifindex: number) => string | undefined): ServiceStatus {
    const { datapath, state } = sources;
    const numbers = datapath.tables.numbersOf(serviceIdentity(service));
    const slots = tableSizeOf(service, state);
    const counts = this.#slots.of(service, slots, numbers, (backend) => sources.isUp(service, backend));
    const backends = service.backends.map((backend): BackendStatus => {
      const identity = backendIdentity(backend, service);
      const entry = numbers?.backends.get(identity);
      const drained = sources.isDrained(service, backend);
      return {
        service: service.name,
        name: backendName(backend),
        address: backend.address,
        port: backendPort(backend, service),
        weight: backend.weight,
        ...sources.healthOf(service, backend),
        draining: backend.drain && !drained,
        drained,
        slots: counts.get(identity) ?? 0,
        ...nextHop(entry?.record, deviceOf),
        counters: backendCounters(datapath.maps, entry?.number),
      };
    });
    const { name, address, port, protocol, mode } = service;
    const failOpen = sources.isFailOpen(service);
    return {
      name,
      address,
      port,
      protocol,
      mode,
      failOpen,
      slots,
      ...serviceCounters(datapath.maps, numbers?.number),
      backends,
    };
  }
}

function nextHop(
  record: BackendRecord | undefined,
  deviceOf: (ifindex: number) => string | undefined,
): { mac?: string; device?: string } {
  const hop = record === undefined ? null : hopOf(record);
  if (hop === null) return {};
  const device = deviceOf(hop.ifindex);
  return { mac: formatMac(hop.mac), ...(device !== undefined && { device }) };
}
