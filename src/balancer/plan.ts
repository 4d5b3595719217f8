/**
 * What leads from one desired state to another, and how many slots of the services' tables it moves. Pure: nothing is asked of the kernel.
 *
 * A service is what clients send to, and a backend is an address and a port: what has these in common is the same and keeps its connections and
 * counters, whatever it is called. What has only the name in common is another one in the other's place (`replace`).
 */
import { betweenEnds } from "./between-ends.ts";
import type { Backend, Change, Plan, Service, State } from "./contract.ts";
import { backendName } from "./names.ts";
import { isSame } from "./same.ts";
import { backendIdentity, movedSlots, serviceIdentity, tableOf, tableSizeOf } from "./table.ts";

/** Which backends get new connections, as far as their health is concerned. */
export type Takes = (service: Service, backend: Backend) => boolean;

/** Both states complete, as `completeState` gives them. What it `ends` depends on the network too: see `ended.ts`. */
export function planChanges(before: State, after: State, takes: Takes = () => true): Omit<Plan, "ends"> {
  const changes: Change[] = [];
  const moved: Plan["moved"] = [];
  const settings = differences(
    { ...settingsOf(before), ...orderOf(before, after) },
    { ...settingsOf(after), ...orderOf(after, before) },
  );
  if (settings !== null) changes.push({ action: "set", subject: "balancer", fields: settings });
  for (const { left, right } of paired(before.devices, after.devices, deviceName, deviceName)) {
    const fields = differences(left, right);
    if (fields !== null)
      changes.push({ action: actionFor(left, right, true), subject: "device", fields: named(fields, left, right) });
  }
  // Of services that are the same, slots move only when their number does.
  const services =
    before.tableSize === after.tableSize
      ? betweenEnds(before.services, after.services)
      : { left: before.services, right: after.services };
  for (const { left, right, same } of paired(services.left, services.right, serviceIdentity, ({ name }) => name)) {
    if (same && left !== undefined && right !== undefined) {
      changes.push(...serviceChanges(left, right));
      const size = tableSizeOf(right, after);
      const slots = slotsMoved(left, tableSizeOf(left, before), right, size, takes);
      if (slots > 0) moved.push({ service: right.name, slots, of: size });
      continue;
    }
    if (left !== undefined && isServed(left, takes)) {
      const of = tableSizeOf(left, before);
      moved.push({ service: (right ?? left).name, slots: of, of });
    }
    const fields = differences(summary(left), summary(right)) ?? {};
    changes.push({ action: actionFor(left, right, false), subject: "service", service: (right ?? left)?.name ?? "", fields });
  }
  return { changes, moved };
}

function deviceName({ name }: { name: string }): string {
  return name;
}

/** Devices that come or go are known by their names. */
function named(
  fields: Change["fields"],
  left: { name: string } | undefined,
  right: { name: string } | undefined,
): Change["fields"] {
  return { name: [left?.name, right?.name], ...fields };
}

function settingsOf({ services: _services, devices: _devices, ...settings }: State): object {
  return settings;
}

/** Of the devices that both have: the balancer sends from the first one's addresses. */
function orderOf({ devices }: State, other: State): { devices: string[] } {
  const names = new Set(other.devices.map(deviceName));
  return { devices: devices.map(deviceName).filter((name) => names.has(name)) };
}

function serviceChanges(left: Service, right: Service): Change[] {
  if (left === right) return [];
  const changes: Change[] = [];
  const { backends: before, ...leftFields } = left;
  const { backends: after, ...rightFields } = right;
  const service = right.name;
  const fields = differences(leftFields, rightFields);
  if (fields !== null) changes.push({ action: "set", subject: "service", service, fields });
  const pairs = paired(before, after, (backend) => backendIdentity(backend, right), backendName);
  for (const { left, right, same } of pairs) {
    const fields = differences(left, right);
    const backend = (right ?? left) as Backend; // a pair has one at least
    if (fields !== null)
      changes.push({
        action: actionFor(left, right, same),
        subject: "backend",
        service,
        backend: backendName(backend),
        fields,
      });
  }
  return changes;
}

/** Whether its slots are somebody's: all of them are, or none. */
function isServed(service: Service, takes: Takes): boolean {
  return service.backends.some((backend) => !backend.drain && backend.weight > 0 && takes(service, backend));
}

function slotsMoved(left: Service, leftSize: number, right: Service, rightSize: number, takes: Takes): number {
  const weights = ({ backends }: Service) =>
    backends.map((backend) => [backend.address, backend.port, backend.weight, backend.drain]);
  // The table follows from these alone.
  if (leftSize === rightSize && (left === right || isSame(weights(left), weights(right)))) return 0;
  const names = (service: Service) => service.backends.map((backend) => backendIdentity(backend, service));
  const before = tableOf(left, leftSize, (backend) => takes(left, backend));
  const after = tableOf(right, rightSize, (backend) => takes(right, backend));
  return movedSlots(before, names(left), after, names(right));
}

/** The service with its backends' names only: what is said of one that comes or goes. */
function summary(service: Service | undefined): object | undefined {
  return service === undefined ? undefined : { ...service, backends: service.backends.map(backendName) };
}

function actionFor(left: unknown, right: unknown, same: boolean): Change["action"] {
  if (left === undefined) return "add";
  if (right === undefined) return "remove";
  return same ? "set" : "replace";
}

interface Pair<T> {
  left?: T;
  right?: T;
  /** They are the same one, changed perhaps. */
  same: boolean;
}

/** First those that go, then the others in their new order: by identity, else by name. */
function paired<T>(
  before: readonly T[],
  after: readonly T[],
  identity: (each: T) => string,
  name: (each: T) => string,
): Pair<T>[] {
  const byIdentity = new Map(before.map((each) => [identity(each), each]));
  const kept = new Set(after.map(identity));
  const byName = new Map(before.filter((each) => !kept.has(identity(each))).map((each) => [name(each), each]));
  const pairs = after.map((right): Pair<T> => {
    const same = byIdentity.get(identity(right));
    if (same !== undefined) return { left: same, right, same: true };
    const replaced = byName.get(name(right));
    if (replaced === undefined) return { right, same: false };
    byName.delete(name(right));
    return { left: replaced, right, same: false };
  });
  return [...[...byName.values()].map((left): Pair<T> => ({ left, same: false })), ...pairs];
}

/** Fields that differ; null when none does. */
function differences(left: object = {}, right: object = {}): Change["fields"] | null {
  const [before, after] = [new Map(Object.entries(left)), new Map(Object.entries(right))];
  const names = [...new Set([...before.keys(), ...after.keys()])].filter((name) => !isSame(before.get(name), after.get(name)));
  if (names.length === 0) return null;
  return Object.fromEntries(names.map((name) => [name, [before.get(name), after.get(name)]]));
}
