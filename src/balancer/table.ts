/** Which backend has which slot of a service's table: Maglev over those that take new connections, by their addresses and ports. */
import { backendPort } from "./checks.ts";
import type { Backend, Service, State } from "./contract.ts";
import { maglevTable } from "./maglev.ts";

/** What makes a backend of a service itself, whatever it is called: connections go to an address and a port. */
export function backendIdentity(backend: Backend, service: Pick<Service, "port">): string {
  return `${backend.address} ${backendPort(backend, service)}`;
}

/** What makes a service itself: where clients send to. */
export function serviceIdentity({ protocol, address, port }: Pick<Service, "protocol" | "address" | "port">): string {
  return `${protocol} ${address} ${port}`;
}

export function tableSizeOf(service: Service, state: Pick<State, "tableSize">): number {
  return service.tableSize ?? state.tableSize;
}

/**
 * By slot, the index in `service.backends`; -1 where nobody takes connections. `takes` says which of those that have a weight and do not drain
 * get new connections: those whose health allows it.
 */
export function tableOf(service: Service, size: number, takes: (backend: Backend) => boolean = () => true): Int32Array {
  const weighted = service.backends.map((backend) => ({
    name: backendIdentity(backend, service),
    weight: backend.drain || !takes(backend) ? 0 : backend.weight,
  }));
  return maglevTable(weighted, size);
}

/** How many slots each of `backends` backends has. */
export function slotCounts(table: Int32Array, backends: number): number[] {
  const counts = new Array<number>(backends).fill(0);
  for (const index of table) if (index >= 0) counts[index] = (counts[index] as number) + 1; // an index of the backends
  return counts;
}

/**
 * How many slots of `after` lead elsewhere than the same hash did in `before`. Slots are compared by what `names` call their backends; a table of
 * another size is compared at the places that the same hashes pick.
 */
export function movedSlots(
  before: Int32Array,
  beforeNames: readonly string[],
  after: Int32Array,
  afterNames: readonly string[],
): number {
  // Numbers compare faster than names do.
  const numbers = new Map<string, number>();
  const numbered = (names: readonly string[]) =>
    names.map((name) => {
      const known = numbers.get(name) ?? numbers.size;
      numbers.set(name, known);
      return known;
    });
  const [left, right] = [numbered(beforeNames), numbered(afterNames)];
  const scale = before.length / after.length;
  let moved = 0;
  for (let slot = 0; slot < after.length; slot++) {
    const was = before[scale === 1 ? slot : Math.floor((slot + 0.5) * scale)] as number; // within the table
    const is = after[slot] as number;
    if ((left[was] ?? -1) !== (right[is] ?? -1)) moved++;
  }
  return moved;
}
