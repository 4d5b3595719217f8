/**
 * Where a program may send packets with XDP_REDIRECT: what is in its devmaps, what its settings and tables call an ifindex, and, when it asks the
 * routing table, every device that has a route.
 */
import { MAP_TYPE } from "../../object/spec.ts";
import type { MapEntry } from "../../runtime/map-reader.ts";
import type { Plain } from "../../runtime/value-text.ts";
import type { MapFacts, ProgramFacts } from "./program.ts";
import type { Device } from "./snapshot.ts";

export interface Target {
  ifindex: number;
  /** Who says so: "map 12 (tx_port), key 0". */
  source: string;
  map: MapFacts | null;
  /** Where it is; null when no device has that index. A devmap's device may be in another namespace than the program's. */
  device: Device | null;
  /** Receivers' MAC addresses that stand beside the ifindex, or, for a devmap, in the program's tables from one MAC address to another. */
  macs: TargetMac[];
}

/** A MAC address that a program was told to send to. */
export interface TargetMac {
  /** "02:00:00:00:00:01" */
  mac: string;
  /** Where it stands. */
  map: MapFacts;
  entry: MapEntry;
  /** The field of the entry's value; null when the value is nothing but the address, or holds it farther inside. */
  field: string | null;
}

/** Names under which programs keep the ifindex of where packets go; "ingress_ifindex" and the like are where they come from. */
const IFINDEX = /^((tx|out|egress|target|redirect|to|dst|dest|output)_?)?(if_?index|ifidx|oif)$/i;
const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;
/** Names of addresses that packets are to come from. */
const SENDER = /^(h_)?(s|src|source|from|own|local)(_|$|mac|addr)/i;

interface Named {
  ifindex: number;
  /** Names and values of the receivers' addresses beside it. */
  macs: { field: string; mac: string }[];
}

/** Ifindexes in a decoded value, each with the MAC addresses beside it. */
function ifindexesIn(value: Plain): Named[] {
  if (Array.isArray(value)) return value.flatMap(ifindexesIn);
  if (typeof value !== "object" || value === null) return [];
  const fields = Object.entries(value);
  const macs = fields.flatMap(([field, each]) =>
    isMac(each) && !SENDER.test(field) ? [{ field, mac: each.toLowerCase() }] : [],
  );
  return fields.flatMap(([name, each]) => {
    if (typeof each === "number" && each > 0 && IFINDEX.test(name)) return [{ ifindex: each, macs }];
    return ifindexesIn(each);
  });
}

function isMac(value: Plain): value is string {
  return typeof value === "string" && MAC.test(value);
}

/** Entries that give a MAC address for a MAC address: who gets what a sender sends. */
function macsIn(maps: readonly MapFacts[]): TargetMac[] {
  return maps.flatMap((map) =>
    map.entries.flatMap((entry) =>
      isMac(entry.key) && isMac(entry.value) ? [{ mac: entry.value.toLowerCase(), map, entry, field: null }] : [],
    ),
  );
}

/** `find` gives the device of an index, the program's own namespace first. */
export function targetsOf(
  { maps, routes, redirects }: ProgramFacts,
  own: Device,
  find: (ifindex: number, anywhere: boolean) => Device | null,
  neighbours: readonly Device[],
): Target[] {
  if (!redirects) return [];
  const devmaps = maps.filter(({ type }) => type === MAP_TYPE.DEVMAP || type === MAP_TYPE.DEVMAP_HASH);
  const receivers = macsIn(maps);
  const listed = devmaps.flatMap((map) =>
    map.entries.flatMap(({ key, value }): Target[] => {
      const ifindex = typeof value === "object" && value !== null && !Array.isArray(value) ? value.ifindex : null;
      if (typeof ifindex !== "number" || ifindex === 0) return [];
      return [{ ifindex, source: `${describeMap(map)}, key ${key}`, map, device: find(ifindex, true), macs: receivers }];
    }),
  );
  const told = maps
    .filter((map) => !devmaps.includes(map))
    .flatMap((map) =>
      map.entries.flatMap((entry) =>
        ifindexesIn(entry.value).map((named): Target => {
          const source = map.maxEntries === 1 ? describeMap(map) : `${describeMap(map)}, key ${entry.key}`;
          const macs = named.macs.map(({ field, mac }) => ({
            mac,
            map,
            entry,
            field: isFieldOf(entry.value, field) ? field : null,
          }));
          return { ifindex: named.ifindex, source, map, device: find(named.ifindex, false), macs };
        }),
      ),
    );
  const isRouted = routes && devmaps.length === 0;
  const routed = isRouted
    ? neighbours
        .filter((device) => device !== own && device.link.up && device.link.name !== "lo" && device.routes.length > 0)
        .map((device): Target => ({ ifindex: device.link.ifindex, source: "the routing table", map: null, device, macs: [] }))
    : [];
  return [...listed, ...told, ...routed].filter(
    (target, index, all) =>
      index === all.findIndex(({ ifindex, source }) => ifindex === target.ifindex && source === target.source),
  );
}

function isFieldOf(value: Plain, field: string): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && field in value;
}

export function describeMap({ id, name }: MapFacts): string {
  return name === "" ? `map ${id}` : `map ${id} (${name})`;
}
