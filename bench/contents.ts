/**
 * What is in an object's maps, byte by byte: the types' names of two compilers differ, the bytes must not. The copies of a per-CPU value
 * are added up, as counters of 64 bits, because two runs may happen on two CPUs.
 */

import type { LoadedObject } from "../src/runtime/loaded-object.ts";
import type { LoadedMap } from "../src/runtime/maps/open.ts";
import { mapDelete, mapLookup, mapNextKey, mapUpdate } from "../src/sys/bpf.ts";
import { possibleCpus } from "../src/sys/cpus.ts";

/** Lines "map[key] = value", sorted, of all maps but `except`; entries of arrays that are all zeros are left out. */
export function contents(object: LoadedObject, except: readonly string[] = []): string[] {
  const lines = mapsOf(object)
    .filter(([name]) => !except.includes(name))
    .flatMap(([name, map]) =>
      [...entries(map)].map(([key, value]) => ({
        text: `${name}[${hex(key)}] = ${value}`,
        isZero: /^[0 ]*$/.test(value) && isArray(map),
      })),
    );
  return lines
    .filter(({ isZero }) => !isZero)
    .map(({ text }) => text)
    .sort();
}

/** Empties the maps that programs write to, all but `kept`. */
export function clear(object: LoadedObject, kept: readonly string[]): void {
  for (const [name, map] of mapsOf(object)) {
    if (kept.includes(name)) continue;
    for (const key of [...keys(map)]) {
      if (isArray(map)) mapUpdate(map.fd, key, new Uint8Array(bytesOfValue(map)), 0);
      else mapDelete(map.fd, key);
    }
  }
}

/** Data sections aside: nothing writes to those that programs have here. */
function mapsOf(object: LoadedObject): [name: string, map: LoadedMap][] {
  return Object.entries(object.maps).filter(([name]) => !name.startsWith("."));
}

function isArray({ kind }: LoadedMap): boolean {
  return kind === "array" || kind === "perCpuArray";
}

function isPerCpu({ kind }: LoadedMap): boolean {
  return kind === "perCpuArray" || kind === "perCpuHash";
}

/** As the kernel reads and writes them: a per-CPU value is a copy for each possible CPU, each a multiple of 8 bytes. */
function bytesOfValue(map: LoadedMap): number {
  return isPerCpu(map) ? Math.ceil(map.valueSize / 8) * 8 * possibleCpus() : map.valueSize;
}

function* keys(map: LoadedMap): Generator<Uint8Array> {
  let last: Uint8Array | null = null;
  for (;;) {
    const next: Uint8Array = new Uint8Array(map.keySize);
    if (mapNextKey(map.fd, last, next) !== 0) return;
    yield next;
    last = next;
  }
}

function* entries(map: LoadedMap): Generator<[key: Uint8Array, value: string]> {
  for (const key of keys(map)) {
    const value = new Uint8Array(bytesOfValue(map));
    // A device map has keys without a device.
    if (mapLookup(map.fd, key, value) === 0) yield [key, isPerCpu(map) ? sums(map, value) : hex(value)];
  }
}

function sums(map: LoadedMap, copies: Uint8Array): string {
  const words = Math.ceil(map.valueSize / 8);
  const view = new DataView(copies.buffer);
  const totals = new BigUint64Array(words);
  for (let at = 0; at < copies.length / 8; at++) {
    totals[at % words] = (totals[at % words] ?? 0n) + view.getBigUint64(at * 8, true);
  }
  return totals.join(" ");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
