/**
 * What the maps of a datapath hold, as one picture: read from maps that an earlier life has filled. Whatever that life left half done is told
 * too, so that it can be taken out: backends of a service that is not there, rings of nobody, addresses without a service.
 */

import type * as Maps from "../../programs/balancer-maps.bpf.ts";
import type { LoadedObject } from "../../runtime/loaded-object.ts";
import { mapLookupBatch } from "../../sys/bpf.ts";
import { formatIp, numberToIpv4 } from "../../sys/ip-address.ts";
import { type BackendRecord, identityOfKey, identityOfRecord, type ServiceRecord } from "./records.ts";
import { readRings } from "./rings.ts";

export type DatapathMaps = LoadedObject<typeof Maps>["maps"];

export interface InstalledBackend {
  number: number;
  record: BackendRecord;
}

export interface InstalledService {
  number: number;
  /** What the kernel has; null while it has none, because the service comes or goes. */
  record: ServiceRecord | null;
  /** The ring's name; null when there is none. */
  ring: string | null;
  backends: Map<string, InstalledBackend>;
}

export interface Installed {
  services: Map<string, InstalledService>;
  /** Prefixes, as services write them. */
  vips: Set<string>;
  /** Backends' numbers that belong to no service. */
  lostBackends: number[];
  /** Rings of services that are not there. */
  lostRings: number[];
  /** By number: whose the number was the last time. 0: nobody's ever. */
  generations: Uint32Array;
}

export function readInstalled(maps: DatapathMaps): Installed {
  const services = new Map<string, InstalledService>();
  const byNumber = new Map<number, InstalledService>();
  const rings = readRings(maps.rings);
  for (const map of [maps.services4, maps.services6]) {
    for (const [key, record] of map) {
      const service = { number: record.number, record, ring: rings.get(record.number) ?? null, backends: new Map() };
      services.set(identityOfKey(key), service);
      byNumber.set(record.number, service);
    }
  }
  const generations = new Uint32Array(maps.backends.maxEntries);
  const lostBackends: number[] = [];
  for (const number of numbersInUse(maps.backends)) {
    const record = maps.backends.get(number) as BackendRecord; // arrays have all numbers
    generations[number] = record.generation;
    if (record.family === 0) continue;
    const service = byNumber.get(record.service);
    const identity = identityOfRecord(record);
    if (service === undefined || service.backends.has(identity)) lostBackends.push(number);
    else service.backends.set(identity, { number, record });
  }
  return {
    services,
    vips: new Set([...prefixes4(maps), ...prefixes6(maps)]),
    lostBackends,
    lostRings: [...rings.keys()].filter((number) => !byNumber.has(number)),
    generations,
  };
}

/** Of 65,536 records most are zero, and need not become objects to be skipped. */
function* numbersInUse({ fd, maxEntries, valueSize }: DatapathMaps["backends"]): Generator<number> {
  const stride = Math.ceil(valueSize / 8) * 8;
  const [keys, values, end] = [new Uint8Array(maxEntries * 4), new Uint8Array(maxEntries * stride), new Uint8Array(4)];
  const { count } = mapLookupBatch({ map: fd, start: null, end, keys, values, count: maxEntries });
  const numbers = new Uint32Array(keys.buffer, 0, count);
  const zeros = new Uint8Array(valueSize);
  for (const [index, number] of numbers.entries()) {
    if (Buffer.compare(values.subarray(index * valueSize, (index + 1) * valueSize), zeros) !== 0) yield number;
  }
}

function* prefixes4(maps: DatapathMaps): Generator<string> {
  for (const [{ address, prefixLength }] of maps.vips4) yield prefixText(numberToIpv4(address), prefixLength, 32);
}

function* prefixes6(maps: DatapathMaps): Generator<string> {
  for (const [{ address, prefixLength }] of maps.vips6) yield prefixText(formatIp(address), prefixLength, 128);
}

function prefixText(address: string, prefixLength: number, bits: number): string {
  return prefixLength === bits ? address : `${address}/${prefixLength}`;
}
