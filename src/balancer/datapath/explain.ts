/**
 * Where a connection's packets go, and why: the steps of the datapath's programs, taken over its own maps. What is said here is what a packet
 * meets at this moment; nothing is changed by asking.
 */
import { BackendState, FlowState, ServiceFlag } from "../../programs/balancer-maps.bpf.ts";
import { isErrno } from "../../sys/errno.ts";
import type { Backend, FlowAnswer, FlowQuestion, Problem, Service } from "../contract.ts";
import { flowHash, slotOf } from "../flow-hash.ts";
import { backendName } from "../names.ts";
import { isAddress, readAddress } from "../network-address.ts";
import type { Takes } from "../plan.ts";
import { InvalidState } from "../refusals.ts";
import { backendIdentity, serviceIdentity, tableOf } from "../table.ts";
import { findFlow } from "./flow-tables.ts";
import type { DatapathMaps } from "./installed.ts";
import {
  identityOfKey,
  identityOfRecord,
  PROTOCOL_NUMBERS,
  type ServiceKey4,
  type ServiceKey6,
  type ServiceRecord,
} from "./records.ts";

/** What the maps do not know, or do not tell: the names, and which backends get new connections. */
export interface Names {
  services: readonly Service[];
  takes: Takes;
  /** Why its checks say that it is down; null when they do not. */
  failureOf: (service: Service, backend: Backend) => string | null;
  isFailOpen: (service: Service) => boolean;
}

/** Addresses that were read: 4 or 16 bytes each, of the same length. */
export interface AskedFlow extends Pick<FlowQuestion, "protocol" | "clientPort" | "port"> {
  client: Uint8Array;
  address: Uint8Array;
}

/** The question, read. @throws InvalidState for addresses that are none, or of two families. */
export function askedFlow(question: FlowQuestion): AskedFlow {
  const [client, address] = [readAddress(question.client), readAddress(question.address)];
  const problems: Problem[] = [];
  if (!isAddress(client)) problems.push({ path: "/client", ...client });
  if (!isAddress(address)) problems.push({ path: "/address", ...address });
  if (isAddress(client) && isAddress(address)) {
    if (client.family === address.family) return { ...question, client: client.bytes, address: address.bytes };
    problems.push({
      path: "/client",
      what: "The two addresses are of different families.",
      fix: "Give two IPv4 or two IPv6 addresses.",
    });
  }
  throw new InvalidState(problems, "This is no connection that can be looked for.");
}

export function explainFlow(maps: DatapathMaps, flow: AskedFlow, names: Names): FlowAnswer {
  const { services, takes } = names;
  const steps: string[] = [];
  const found = findService(maps, flow, steps);
  if (found === null) return { service: null, backend: null, by: "none", steps };
  const service = services.find((each) => serviceIdentity(each) === found.identity);
  const name = service?.name ?? found.identity;
  steps.push(`The service ${name} takes it (number ${found.record.number}).`);
  const nameOf = (number: number): string => {
    const record = maps.backends.get(number);
    if (record === undefined || record.family === 0) return `number ${number}`;
    const identity = identityOfRecord(record);
    const backend = service?.backends.find((each) => backendIdentity(each, service) === identity);
    return backend === undefined ? identity.replace(" ", " at port ") : backendName(backend);
  };
  const ownerOf = (slot: number): string | null => {
    const number = readSlot(maps, found.record.number, slot);
    if (number !== undefined) return maps.backends.get(number)?.state === BackendState.UP ? nameOf(number) : null;
    if (service === undefined) return null;
    const table = tableOf(service, found.record.ringSize, (backend) => takes(service, backend));
    const backend = service.backends[table[slot] ?? -1];
    return backend === undefined ? null : backendName(backend);
  };
  const decided = knownFlow(maps, flow, steps, nameOf) ?? bySlot(flow, found.record, steps, ownerOf);
  const backend = service?.backends.find((each) => backendName(each) === decided.backend);
  if (service !== undefined && backend !== undefined) sayFailure(service, backend, names, steps);
  return { service: name, ...decided, steps };
}

/** Of a backend that gets packets although its checks fail. */
function sayFailure(service: Service, backend: Backend, { failureOf, isFailOpen }: Names, steps: string[]): void {
  const failure = failureOf(service, backend);
  if (failure === null) return;
  const why = isFailOpen(service)
    ? "all backends fail theirs (fail open)"
    : backend.drain
      ? "it drains, and keeps the connections that it has"
      : `minimumUp (${service.minimumUp}) lets no more be taken away`;
  steps.push(`${backendName(backend)} fails its checks (${failure}), and gets packets nevertheless: ${why}.`);
}

interface Found {
  identity: string;
  record: ServiceRecord;
}

/** By the address and port, then all ports of the address, then the prefix that holds it. */
function findService(maps: DatapathMaps, { address, port, protocol }: AskedFlow, steps: string[]): Found | null {
  const four = address.length === 4;
  const look = (network: Uint8Array | number, ofPort: number, prefixLength: number): Found | null => {
    const rest = { port: ofPort, protocol: PROTOCOL_NUMBERS[protocol], prefixLength };
    const key = typeof network === "number" ? { address: network, ...rest } : { address: network, ...rest };
    const record = isKey4(key) ? maps.services4.get(key) : maps.services6.get(key);
    return record === undefined ? null : { identity: identityOfKey(key), record };
  };
  const single = four ? new DataView(address.buffer, address.byteOffset).getUint32(0) : address;
  const bits = address.length * 8;
  const exact = look(single, port, bits);
  if (exact !== null) return exact;
  const vip = four
    ? maps.vips4.get({ prefixLength: bits, address: single as number })
    : maps.vips6.get({ prefixLength: bits, address: single as Uint8Array });
  if (vip === undefined) {
    steps.push("The address is none of the balancer's: the packet is passed to the network stack.");
    return null;
  }
  const found = look(single, 0, bits) ?? look(vip.network, port, vip.prefixLength) ?? look(vip.network, 0, vip.prefixLength);
  if (found === null)
    steps.push(
      `The address is the balancer's, and no service has ${protocol} port ${port}: the packet is dropped (no_service).`,
    );
  return found;
}

function isKey4(key: ServiceKey4 | ServiceKey6): key is ServiceKey4 {
  return typeof key.address === "number";
}

/** Null when the table of connections does not decide. */
function knownFlow(maps: DatapathMaps, flow: AskedFlow, steps: string[], nameOf: (number: number) => string) {
  const { client, address: server, clientPort, port: serverPort } = flow;
  const entry = findFlow(maps, { client, server, clientPort, serverPort, protocol: PROTOCOL_NUMBERS[flow.protocol] });
  if (entry === undefined) {
    steps.push("The connection is not in the table of connections.");
    return null;
  }
  const idleSeconds = Math.max(0, now() - entry.lastSeen);
  const record = maps.backends.get(entry.backend);
  const name = nameOf(entry.backend);
  if (record === undefined || record.generation !== entry.generation) {
    steps.push(`The table of connections has it with a backend that is gone (number ${entry.backend}): another one is chosen.`);
    return null;
  }
  if (record.state !== BackendState.UP) {
    steps.push(`The table of connections has it with ${name}, which is down: another one is chosen.`);
    return null;
  }
  if (record.timeout !== 0 && idleSeconds > record.timeout) {
    steps.push(
      `The table of connections has it with ${name}, but it rested for ${idleSeconds} of ${record.timeout} seconds: another one is chosen.`,
    );
    return null;
  }
  steps.push(`The table of connections has it with ${name}; its last packet came ${idleSeconds} seconds ago.`);
  if (entry.state === FlowState.CLOSED) steps.push("It was closed: a new connection (SYN) is chosen a backend anew.");
  if (entry.natPort !== 0) steps.push(`The backend sees it from port ${entry.natPort}.`);
  return { backend: name, by: "flow" as const, idleSeconds, ...(entry.natPort !== 0 && { natPort: entry.natPort }) };
}

function bySlot(flow: AskedFlow, service: ServiceRecord, steps: string[], ownerOf: (slot: number) => string | null) {
  const affine = (service.flags & ServiceFlag.SOURCE_AFFINITY) !== 0;
  const hash = affine ? flowHash(flow.client, 0, 0) : flowHash(flow.client, flow.clientPort, flow.port);
  const slot = slotOf(hash, service.ringSize);
  const of = affine ? "of the client's address" : "of the client's address and the ports";
  steps.push(`The hash ${of} is 0x${hash.toString(16).padStart(8, "0")}, which is slot ${slot} of ${service.ringSize}.`);
  const name = ownerOf(slot);
  if (name === null) {
    steps.push("No backend has the slot: the packet is dropped (no_backend).");
    return { backend: null, by: "none" as const, slot, hash };
  }
  steps.push(`The slot is ${name}'s.`);
  return { backend: name, by: "table" as const, slot, hash };
}

/**
 * The number in a slot; 0 for none. Undefined without CAP_SYS_ADMIN, for want of which the kernel opens no ring: then it can be computed, because
 * a ring depends on nothing but its backends.
 */
function readSlot(maps: DatapathMaps, service: number, slot: number): number | undefined {
  try {
    using ring = maps.rings.get(service);
    return ring?.get(slot) ?? 0;
  } catch (error) {
    if (isErrno(error, "EPERM")) return undefined;
    throw error;
  }
}

/** In units of 2^30 ns of CLOCK_MONOTONIC, as the datapath has it. */
function now(): number {
  return Number(process.hrtime.bigint() >> 30n);
}
