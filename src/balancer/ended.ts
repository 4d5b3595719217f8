/** Which services lose all of their connections by a change although their slots stay: what clients and backends see of each other becomes another. Pure. */
import { betweenEnds } from "./between-ends.ts";
import type { Service, State } from "./contract.ts";
import type { Sources } from "./datapath/records.ts";
import { knownPrefix } from "./network-address.ts";
import { isSame } from "./same.ts";
import { backendIdentity, serviceIdentity } from "./table.ts";

/** Their names. The sources are those that packets leave from, before and after. */
export function endedServices(before: State, after: State, from: Sources, to: Sources): string[] {
  // With the same addresses, only what was changed itself can have ended.
  const { left, right } = isSame(from, to)
    ? betweenEnds(before.services, after.services)
    : { left: before.services, right: after.services };
  const known = new Map(left.map((service) => [serviceIdentity(service), service]));
  const isGone = (service: Service) => isEnded(known.get(serviceIdentity(service)), service, from, to);
  return right.filter(isGone).map(({ name }) => name);
}

function isEnded(before: Service | undefined, after: Service, from: Sources, to: Sources): boolean {
  if (before === undefined) return false;
  if (before.mode !== after.mode) return isRewritten(before) || isRewritten(after);
  if (!isRewritten(after)) return false;
  const family = `source${knownPrefix(after.address).family}` as const;
  if (after.mode === "nat") return from[family] !== null && from[family] !== to[family];
  const sources = new Map(before.backends.map((backend) => [backendIdentity(backend, before), backend.source ?? from[family]]));
  return after.backends.some((backend) => {
    const source = sources.get(backendIdentity(backend, after));
    return source !== undefined && source !== (backend.source ?? to[family]);
  });
}

function isRewritten({ mode }: Service): boolean {
  return mode === "nat" || mode === "redirect";
}
