/** Which services lose all of their connections by a change although their slots stay: what clients and backends see of each other becomes another. Pure. */
import type { Service, State } from "./contract.ts";
import type { Sources } from "./datapath/records.ts";
import { knownPrefix } from "./network-address.ts";
import { serviceIdentity } from "./table.ts";

/** Their names. The sources are those that packets leave from, before and after. */
export function endedServices(before: State, after: State, from: Sources, to: Sources): string[] {
  const known = new Map(before.services.map((service) => [serviceIdentity(service), service]));
  return after.services
    .filter((service) => isEnded(known.get(serviceIdentity(service)), service, from, to))
    .map(({ name }) => name);
}

function isEnded(before: Service | undefined, after: Service, from: Sources, to: Sources): boolean {
  if (before === undefined) return false;
  if (before.mode !== after.mode) return isRewritten(before) || isRewritten(after);
  if (after.mode !== "nat") return false;
  const { family } = knownPrefix(after.address);
  const source = from[`source${family}`];
  return source !== null && source !== to[`source${family}`];
}

function isRewritten({ mode }: Service): boolean {
  return mode === "nat" || mode === "redirect";
}
