/** What the datapath is to hold: the desired state, seen through the backends' health, their drains' deadlines, and where their next hops are. */
import type { Backend, Service, State } from "./contract.ts";
import type { Hop } from "./datapath/records.ts";
import type { WantedService } from "./datapath/tables.ts";
import { backendIdentity, serviceIdentity, tableSizeOf } from "./table.ts";

/** What is known of backends besides the desired state. */
export interface Circumstances {
  /** False for those that are out because of their health. */
  isUp(service: Service, backend: Backend): boolean;
  /** Whether the time that it was given to drain is over. */
  isDrained(service: Service, backend: Backend): boolean;
  /** Undefined: as the datapath has it already; null: the kernel is to be asked. */
  hopOf(service: Service, backend: Backend): Hop | null | undefined;
}

export function wantedService(service: Service, state: Pick<State, "tableSize">, circumstances: Circumstances): WantedService {
  return {
    service,
    tableSize: tableSizeOf(service, state),
    backends: service.backends.map((backend) => {
      const isUp = circumstances.isUp(service, backend);
      const up = isUp && !circumstances.isDrained(service, backend);
      return { backend, up, takes: isUp, hop: circumstances.hopOf(service, backend) };
    }),
  };
}

/** What makes a backend itself among all services. */
export function memberIdentity(service: Service, backend: Backend): string {
  return `${serviceIdentity(service)} ${backendIdentity(backend, service)}`;
}
