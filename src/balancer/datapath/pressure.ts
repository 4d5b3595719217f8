/**
 * How full the maps are. The kernel does not count entries, so the large tables are walked, in slices between which others get their turn, and
 * not more often than every few seconds.
 */
import type { MappedArray } from "../../runtime/maps/mapped-array.ts";
import type { MapPressure } from "../contract.ts";
import type { Datapath } from "./datapath.ts";
import { countFlows, roomOf } from "./flow-tables.ts";
import type { DatapathMaps } from "./installed.ts";

/** In milliseconds. */
const FRESH = 5000;

export class Pressure {
  readonly #datapath: Datapath;
  /** Mapped at the first look, and from then on: giving memory back takes until the next collection of garbage. */
  #flows4: MappedArray | null = null;
  #flows6: MappedArray | null = null;
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
      this.#flows4 ??= maps.flows4.mmap({ writable: false });
      this.#flows6 ??= maps.flows6.mmap({ writable: false });
      this.#walk = walkFlows(maps, this.#flows4, this.#flows6);
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

  close(): void {
    this.#flows4?.close();
    this.#flows6?.close();
  }
}

async function walkFlows(maps: DatapathMaps, in4: MappedArray, in6: MappedArray): Promise<MapPressure[]> {
  const { flows4, flows6, origins4, origins6 } = maps;
  const tables = [
    { map: flows4, counts: countFlows(in4), capacity: roomOf(flows4) },
    { map: flows6, counts: countFlows(in6), capacity: roomOf(flows6) },
    { map: origins4, counts: origins4.counts(), capacity: origins4.maxEntries },
    { map: origins6, counts: origins6.counts(), capacity: origins6.maxEntries },
  ];
  const pressure: MapPressure[] = [];
  for (const { map, counts, capacity } of tables) {
    let entries = 0;
    for (const count of counts) {
      entries += count;
      await new Promise(setImmediate);
      // The datapath may have been closed meanwhile.
      if (map.fd.closed) return pressure;
    }
    pressure.push({ name: map.name, entries, capacity });
  }
  return pressure;
}
