/** Services and backends of the desired state as the entries of the datapath's maps (src/programs/balancer-maps.bpf.ts), and back. Pure. */
import type { User } from "../../kernel/index.ts";
import {
  BackendState,
  type Backend as BackendStruct,
  Mode,
  ServiceFlag,
  type Service as ServiceStruct,
} from "../../programs/balancer-maps.bpf.ts";
import { formatIp, ipv4ToNumber, numberToIpv4, parseIp } from "../../sys/ip-address.ts";
import { backendPort } from "../checks.ts";
import type { Backend, Family, Service } from "../contract.ts";
import { knownPrefix } from "../network-address.ts";
import { serviceIdentity } from "../table.ts";

export type BackendRecord = User<typeof BackendStruct>;
export type ServiceRecord = User<typeof ServiceStruct>;

/** What a service is found by. `address` is a number for IPv4. */
export interface ServiceKey4 {
  address: number;
  port: number;
  protocol: number;
  prefixLength: number;
}
export interface ServiceKey6 extends Omit<ServiceKey4, "address"> {
  address: Uint8Array;
}

/** Where packets to a backend leave, and to whom. */
export interface Hop {
  ifindex: number;
  mac: Uint8Array;
  /** The MAC address of the device. */
  sourceMac: Uint8Array;
}

export const PROTOCOL_NUMBERS = { tcp: 6, udp: 17 } as const;
const MODES = { nat: Mode.NAT, direct: Mode.DIRECT, ipip: Mode.IPIP, gue: Mode.GUE, redirect: Mode.REDIRECT } as const;

/** How long a connection rests before it is forgotten, where the service does not say, in seconds: as stateful firewalls usually have it. */
const USUAL_IDLE = { tcp: 3600, udp: 60 } as const;

export function serviceKey(
  service: Pick<Service, "address" | "port" | "protocol">,
): { family: 4; key: ServiceKey4 } | { family: 6; key: ServiceKey6 } {
  const { family, bytes, prefixLength } = knownPrefix(service.address);
  const rest = { port: service.port === "all" ? 0 : service.port, protocol: PROTOCOL_NUMBERS[service.protocol], prefixLength };
  if (family === 4) return { family, key: { address: ipv4ToNumber(formatIp(bytes)), ...rest } };
  return { family, key: { address: bytes, ...rest } };
}

/** As `serviceIdentity` of the service that has this key. */
export function identityOfKey({ address, port, protocol, prefixLength }: ServiceKey4 | ServiceKey6): string {
  const text = typeof address === "number" ? numberToIpv4(address) : formatIp(address);
  const single = prefixLength === (typeof address === "number" ? 32 : 128);
  return serviceIdentity({
    protocol: protocol === PROTOCOL_NUMBERS.tcp ? "tcp" : "udp",
    address: single ? text : `${text}/${prefixLength}`,
    port: port === 0 ? "all" : port,
  });
}

export function serviceRecord(service: Service, number: number, ringSize: number): ServiceRecord {
  return { number, ringSize, flags: service.affinity === "source" ? ServiceFlag.SOURCE_AFFINITY : 0 };
}

/** The source addresses of the whole balancer; null where there is none. */
export interface Sources {
  source4: string | null;
  source6: string | null;
}

export interface BackendEntry {
  service: Service;
  serviceNumber: number;
  backend: Backend;
  generation: number;
  up: boolean;
  /** Null: the kernel's routes are asked for it. */
  hop: Hop | null;
  sources: Sources;
}

export function backendRecord(entry: BackendEntry): BackendRecord {
  const { service, backend, hop } = entry;
  const address = parseIp(backend.address);
  const family: Family = address.length === 4 ? 4 : 6;
  const source = service.mode === "redirect" ? (backend.source ?? entry.sources[`source${family}`]) : null;
  return {
    ...NO_BACKEND,
    generation: entry.generation,
    service: entry.serviceNumber,
    timeout: service.idleSeconds ?? USUAL_IDLE[service.protocol],
    state: entry.up ? BackendState.UP : BackendState.NONE,
    mode: MODES[service.mode],
    family,
    ...(hop !== null && hop),
    ...(family === 4 ? { address4: ipv4ToNumber(backend.address) } : { address6: address }),
    ...(source !== null && (family === 4 ? { source4: ipv4ToNumber(source) } : { source6: parseIp(source) })),
    port: backendPort(backend, service),
  };
}

const [NO_MAC, NO_ADDRESS] = [new Uint8Array(6), new Uint8Array(16)];

/** A number that is nobody's. */
export const NO_BACKEND: BackendRecord = {
  generation: 0,
  service: 0,
  timeout: 0,
  state: BackendState.NONE,
  mode: 0,
  family: 0,
  unused: 0,
  mac: NO_MAC,
  sourceMac: NO_MAC,
  ifindex: 0,
  address4: 0,
  source4: 0,
  address6: NO_ADDRESS,
  source6: NO_ADDRESS,
  port: 0,
  unused2: new Uint8Array(6),
};

/** As `backendIdentity` of the backend that has this record. */
export function identityOfRecord(record: BackendRecord): string {
  return `${record.family === 4 ? numberToIpv4(record.address4) : formatIp(record.address6)} ${record.port}`;
}

export function hopOf({ ifindex, mac, sourceMac }: BackendRecord): Hop | null {
  return ifindex === 0 ? null : { ifindex, mac, sourceMac };
}

export function isSameRecord(left: BackendRecord, right: BackendRecord): boolean {
  return (Object.keys(left) as (keyof BackendRecord)[]).every((field) => isSameField(left[field], right[field]));
}

function isSameField(left: number | Uint8Array, right: number | Uint8Array): boolean {
  if (typeof left === "number" || typeof right === "number") return left === right;
  return left.every((byte, index) => byte === right[index]);
}

export function isSameService(left: ServiceRecord, right: ServiceRecord): boolean {
  return left.number === right.number && left.ringSize === right.ringSize && left.flags === right.flags;
}
