/**
 * The per-action counters that the programs of this project, and of the XDP tutorial, keep in `xdp_stats_map`: an array with one
 * element for each XDP action, each { u64 rx_packets; u64 rx_bytes }. Read as bytes, so that a map whose maker gave it no types, or
 * other names, is read as well.
 */
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import { MAP_TYPE } from "../object/spec.ts";
import { openPinnedMap } from "../runtime/introspect.ts";
import type { LoadedMap } from "../runtime/maps/open.ts";
import { openMapById } from "../runtime/maps/open-existing.ts";
import { XDP_ACTIONS } from "../runtime/verdict.ts";
import { mapById, mapInfo, mapLookup, unlessGone } from "../sys/bpf.ts";
import { possibleCpus } from "../sys/cpus.ts";
import { SyscallError } from "../sys/errno.ts";

/** By number. */
export const ACTIONS = XDP_ACTIONS;

export const STATS_MAP = "xdp_stats_map";

const LAYOUT = { keySize: 4, valueSize: 16, maxEntries: ACTIONS.length } as const;

export interface Counter {
  /** Summed over the CPUs. */
  packets: bigint;
  bytes: bigint;
  /** Nanoseconds of the monotonic clock: each action is read at a moment of its own. */
  at: bigint;
}

/**
 * Opens the counters pinned in a directory.
 *
 * @throws WirescriptError MAP when there are none, or the map has another layout; NO_PRIVILEGES.
 */
export function openCounters(pinDirectory: string): LoadedMap {
  const path = join(pinDirectory, STATS_MAP);
  const map = openPinnedMap(path);
  const differs = differences(map);
  if (differs.length === 0) return map;
  map.close();
  throw new WirescriptError({
    code: "MAP",
    what: `The map at ${path} does not hold counters per action.`,
    why: differs.join(", "),
    fix: `Look at it with: wirescript maps show ${path}`,
  });
}

/**
 * The counters that a program itself keeps, wherever they are pinned; null when it keeps none of this kind.
 *
 * @throws WirescriptError NO_PRIVILEGES.
 */
export function openCountersOf(program: { mapIds: readonly number[] }): LoadedMap | null {
  for (const id of program.mapIds) {
    const fd = unlessGone(() => mapById(id));
    if (fd === null) continue;
    const isCounters = mapInfo(fd).name === STATS_MAP;
    fd.close();
    if (!isCounters) continue;
    const map = openMapById(id);
    if (differences(map).length === 0) return map;
    map.close();
  }
  return null;
}

/** How a map differs from one of counters, in words. */
function differences(map: LoadedMap): string[] {
  const isArray = map.type === MAP_TYPE.PERCPU_ARRAY || map.type === MAP_TYPE.ARRAY;
  const fields = (["keySize", "valueSize", "maxEntries"] as const).filter((name) => map[name] !== LAYOUT[name]);
  return [
    ...(isArray ? [] : [`its type is ${map.type}, not ${MAP_TYPE.PERCPU_ARRAY} (per-CPU array)`]),
    ...fields.map((name) => `its ${name} is ${map[name]}, not ${LAYOUT[name]}`),
  ];
}

/** The counters by action. @throws SyscallError */
export function readCounters(map: LoadedMap): Counter[] {
  const copies = map.type === MAP_TYPE.PERCPU_ARRAY ? possibleCpus() : 1;
  return ACTIONS.map((name, action) => {
    const value = new Uint8Array(LAYOUT.valueSize * copies);
    const result = mapLookup(map.fd, new Uint8Array(new Uint32Array([action]).buffer), value);
    if (result < 0) throw new SyscallError("bpf", -result, `BPF_MAP_LOOKUP_ELEM ${map.name}[${name}]`);
    const words = new BigUint64Array(value.buffer);
    const sum = (first: number) => {
      let total = 0n;
      for (let index = first; index < words.length; index += 2) total += words[index] ?? 0n;
      return total;
    };
    return { packets: sum(0), bytes: sum(1), at: process.hrtime.bigint() };
  });
}
