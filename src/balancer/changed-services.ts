/** Which services differ between two states, for what follows from a change. */
import { betweenEnds } from "./between-ends.ts";
import type { Service } from "./contract.ts";
import { isSame } from "./same.ts";
import { serviceIdentity } from "./table.ts";

/** Services of `after` that `before` has not or has otherwise, and those of `before` that are gone. */
export function changedServices(
  before: readonly Service[],
  after: readonly Service[],
): Record<"gone" | "changed", readonly Service[]> {
  const { left, right } = betweenEnds(before, after);
  const known = new Map(left.map((service) => [serviceIdentity(service), service]));
  const kept = new Set(right.map(serviceIdentity));
  return {
    gone: left.filter((service) => !kept.has(serviceIdentity(service))),
    changed: right.filter((service) => !isSame(service, known.get(serviceIdentity(service)))),
  };
}
