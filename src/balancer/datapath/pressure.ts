/**
 * How full the maps are. The kernel does not count entries, so the large tables are walked, in slices between which others get their turn, and
 * not more often than every few seconds.
 */
import type { MapPressure } from "../contract.ts";
import type { Datapath } from "./datapath.ts";
import type { DatapathMaps } from "./installed.ts";

const FLOW_TABLES = ["flows4", "flows6", "origins4", "origins6"] as const;

/** In milliseconds. */
const FRESH = 5000;

export class Pressure {
  readonly #datapath: Datapath;
  #walk: Promise<MapPressure[]> | null = null;
  #walkedAt = Number.NEGATIVE_INFINITY;

  constructor(datapath: Datapath) {
    this.#datapath = datapath;
  }

  async read(): Promise<MapPressure[]> {
    const { maps, tables } = this.#datapath;
    const now = performance.now();
    if (this.#walk === null || now - this.#walkedAt > FRESH) {
      this.#walkedAt = now;
      this.#walk = walkFlows(maps);
      // Who asks next tries again.
      this.#walk.catch(() => {
        this.#walk = null;
      });
    }
    const { services4, services6, vips4, vips6 } = tables.used;
    const of = (name: keyof DatapathMaps, entries: number): MapPressure => ({ name, entries, capacity: maps[name].maxEntries });
    return [
      of("services4", services4),
      of("services6", services6),
      of("vips4", vips4),
      of("vips6", vips6),
      of("rings", tables.used.services),
      of("backends", tables.used.backends),
      ...(await this.#walk),
    ];
  }
}

async function walkFlows(maps: DatapathMaps): Promise<MapPressure[]> {
  const pressure: MapPressure[] = [];
  for (const name of FLOW_TABLES) {
    const map = maps[name];
    let entries = 0;
    for (const count of map.counts()) {
      entries += count;
      await new Promise(setImmediate);
      // The datapath may have been closed meanwhile.
      if (map.fd.closed) return pressure;
    }
    pressure.push({ name, entries, capacity: map.maxEntries });
  }
  return pressure;
}
