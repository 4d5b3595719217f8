/** Maps on the real kernel: every operation, and bpftool's view of the result. */
import { describe, expect, it } from "vitest";
import { failure } from "../../../test/failure.ts";
import { maps, object } from "../../../test/fixtures/objects.ts";
import { bpftool, freshBpffs } from "../../../test/kernel-objects.ts";
import { hasTool, isRoot, uniqueName } from "../../../test/own-network.ts";
import type { MapSpec } from "../../object/spec.ts";
import { BPF, mapFreeze } from "../../sys/bpf.ts";
import { possibleCpus } from "../../sys/cpus.ts";
import { loadSpec } from "../load.ts";
import { ArrayMap, PerCpuArrayMap } from "./array.ts";
import { Elements } from "./elements.ts";
import { HashMap, PerCpuHashMap } from "./hash.ts";
import { LpmTrieMap } from "./lpm-trie.ts";

const reason = isRoot ? (hasTool("bpftool") ? "" : " (skipped: bpftool is not installed)") : " (skipped: needs root on Linux)";

/** The only map of an object, as the class that is expected. */
function only<T>(spec: MapSpec, type: abstract new (...args: never[]) => T): T & Disposable {
  const map = loadSpec(object([], [spec])).map(spec.name);
  if (!(map instanceof type)) throw new Error(`${spec.name} is a ${map.constructor.name}`);
  return map as T & Disposable;
}

type Flow = { source: number; port: number; vlan: number };
type Record_ = { rx_packets: bigint; rx_bytes: bigint };
const record = (packets: bigint, bytes = packets * 60n): Record_ => ({ rx_packets: packets, rx_bytes: bytes });

describe.skipIf(reason !== "")(`a hash map${reason}`, () => {
  it("gives back what was set, and bpftool sees the same bytes and types", () => {
    using map = only(maps.flows(uniqueName()), HashMap<Flow, Record_>);
    const key = { source: 0x0a0b0c0d, port: 7999, vlan: 5 };
    map.set(key, record(3n));
    expect(map.get(key)).toEqual(record(3n));
    expect(map.get({ ...key, vlan: 6 })).toBeUndefined();
    const [entry] = bpftool("map", "dump", "id", String(map.info().id));
    // Network byte order in memory, host order in the value above.
    expect(entry.key.slice(0, 4)).toEqual(["0x0a", "0x0b", "0x0c", "0x0d"]);
    expect(entry.formatted.value).toEqual({ rx_packets: 3, rx_bytes: 180 });
    expect(entry.formatted.key).toMatchObject({ port: 7999, vlan: 5 });
  });

  it("keeps 64 bits", () => {
    using map = only(maps.flows(uniqueName()), HashMap<Flow, Record_>);
    const huge = record(2n ** 64n - 1n, 2n ** 63n + 1n);
    map.set({ source: 1, port: 0, vlan: 0 }, huge);
    expect(map.get({ source: 1, port: 0, vlan: 0 })).toEqual(huge);
  });

  it("is not written by what is no option", () => {
    using map = only(maps.flows(uniqueName()), HashMap<Flow, Record_>);
    const key = { source: 1, port: 2, vlan: 3 };
    map.set(key, record(1n));
    const wrong = (options: object) => options as never; // what JavaScript may give
    for (const set of [
      (options: object) => map.set(key, record(2n), wrong(options)),
      (options: object) => map.setMany([[key, record(2n)]], wrong(options)),
    ]) {
      expect(failure(() => set({ flags: "noexists" }))).toMatchObject({
        ...{ code: "USAGE", why: '`flags` is "noexist", "exist" or "any", and "noexists" was given.' },
      });
      expect(failure(() => set({ flag: "noexist" }))).toMatchObject({ code: "USAGE", why: 'There is no option "flag".' });
    }
    expect(map.get(key)).toEqual(record(1n));
  });

  it("adds only, changes only, or both", () => {
    using map = only(maps.flows(uniqueName()), HashMap<Flow, Record_>);
    const key = { source: 1, port: 2, vlan: 3 };
    expect(failure(() => map.set(key, record(1n), { flags: "exist" }))).toMatchObject({ code: "MAP" });
    map.set(key, record(1n), { flags: "noexist" });
    expect(failure(() => map.set(key, record(2n), { flags: "noexist" })).message).toMatch(
      /already has an entry at key \{"source":1/,
    );
    map.set(key, record(2n), { flags: "exist" });
    expect(map.get(key)).toEqual(record(2n));
  });

  it("deletes, and says whether there was something to delete", () => {
    using map = only(maps.flows(uniqueName()), HashMap<Flow, Record_>);
    const key = { source: 1, port: 2, vlan: 3 };
    map.set(key, record(1n));
    expect([map.delete(key), map.delete(key)]).toEqual([true, false]);
    expect(bpftool("map", "dump", "id", String(map.info().id))).toEqual([]);
  });

  it("says that it is full", () => {
    const spec = maps.flows(uniqueName(), 2);
    using map = only(spec, HashMap<Flow, Record_>);
    for (const source of [1, 2]) map.set({ source, port: 0, vlan: 0 }, record(1n));
    const error = failure(() => map.set({ source: 3, port: 0, vlan: 0 }, record(1n)));
    expect(error.message).toContain(`The map "${spec.name}" is full`);
    expect(error.why).toContain("2 entries");
    expect(error.fix).toBeDefined();
  });

  it("names the field that does not fit", () => {
    using map = only(maps.flows(uniqueName()), HashMap<Flow, Record_>);
    const error = failure(() => map.set({ source: 1, port: 70_000, vlan: 0 }, record(1n)));
    expect(error.code).toBe("MAP");
    expect(error.message).toContain("port");
  });

  it("lists each entry once, however many there are, and bpftool counts the same", () => {
    using map = only(maps.flows(uniqueName(), 20_000), HashMap<Flow, Record_>);
    for (let source = 0; source < 10_000; source++) map.set({ source, port: 0, vlan: 0 }, record(BigInt(source)));
    const seen = new Map([...map].map(([key, value]) => [key.source, value.rx_packets]));
    expect(seen.size).toBe(10_000);
    expect([...seen].every(([source, packets]) => BigInt(source) === packets)).toBe(true);
    expect([...map.keys()]).toHaveLength(10_000);
    expect([...map.values()]).toHaveLength(10_000);
    expect(bpftool("map", "dump", "id", String(map.info().id))).toHaveLength(10_000);
  });

  it("lists what stays exactly once while entries are deleted and added", () => {
    using map = only(maps.flows(uniqueName(), 4000), HashMap<Flow, Record_>);
    for (let source = 0; source < 2000; source++) map.set({ source, port: 0, vlan: 0 }, record(1n));
    const seen: number[] = [];
    for (const [key] of map) {
      seen.push(key.source);
      if (key.source < 2000 && key.source % 2 === 1) map.delete(key);
      if (seen.length < 500) map.set({ source: 10_000 + seen.length, port: 0, vlan: 0 }, record(1n));
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((source) => source < 2000 && source % 2 === 0)).toHaveLength(1000);
  });

  it("walks a trie from key to key, also when the key it stands on is deleted", () => {
    const trie = maps.trie(uniqueName());
    using map = only({ ...trie, maxEntries: 64, keySize: 8 }, LpmTrieMap<Uint8Array, Uint8Array>);
    for (let host = 0; host < 40; host++) map.set(new Uint8Array([32, 0, 0, 0, 10, 0, 0, host]), new Uint8Array(16).fill(host));
    const seen: number[] = [];
    for (const [key, value] of map) {
      expect(value).toEqual(new Uint8Array(16).fill(key[7] ?? 0));
      seen.push(key[7] ?? 0);
      if ((key[7] ?? 0) % 3 === 0) map.delete(key);
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, host) => host));
  });

  it("takes bytes when the object has no types", () => {
    using map = only(maps.raw(uniqueName()), HashMap<Uint8Array, Uint8Array>);
    map.set(new Uint8Array([1, 2, 3]), new Uint8Array([9, 8, 7, 6, 5]));
    expect([...map]).toEqual([[new Uint8Array([1, 2, 3]), new Uint8Array([9, 8, 7, 6, 5])]]);
    expect(failure(() => map.get(new Uint8Array(4))).message).toBe("A Uint8Array of 3 bytes is needed, not one of 4 bytes.");
  });
});

describe.skipIf(reason !== "")(`an array${reason}`, () => {
  it("says that nothing can be deleted", () => {
    using plain = only(maps.table(uniqueName()), ArrayMap);
    expect(failure(() => plain.delete(0 as never))).toMatchObject({
      ...{
        code: "MAP",
        message: expect.stringMatching(/^Nothing can be deleted from the map/),
        fix: expect.stringContaining("zero"),
      },
    });
    using copies = only(maps.stats(uniqueName()), PerCpuArrayMap);
    expect(failure(() => copies.delete(0 as never))).toMatchObject({
      code: "MAP",
      why: expect.stringContaining("per-CPU array"),
    });
  });

  it("has all its entries from the start and no others", () => {
    const spec = maps.table(uniqueName());
    using map = only(spec, ArrayMap<number>);
    map.set(1, 0xffff_ffff);
    expect([...map]).toEqual([
      [0, 0],
      [1, 0xffff_ffff],
      [2, 0],
    ]);
    expect(bpftool("map", "dump", "id", String(map.info().id)).map((entry: { formatted: unknown }) => entry.formatted)).toEqual(
      [
        { key: 0, value: 0 },
        { key: 1, value: 0xffff_ffff },
        { key: 2, value: 0 },
      ],
    );
    expect(map.get(3)).toBeUndefined();
    expect(failure(() => map.set(3, 1))).toMatchObject({ message: `The map "${spec.name}" has no index 3.`, code: "MAP" });
    expect(failure(() => map.set(0, 1, { flags: "noexist" })).why).toContain("exist from the start");
  });

  it("says that it is frozen", () => {
    using map = only(maps.table(uniqueName()), ArrayMap<number>);
    mapFreeze(map.fd);
    expect(failure(() => map.set(0, 1)).message).toContain("is frozen");
    expect(map.get(0)).toBe(0);
  });

  it("cannot delete", () => {
    using map = only(maps.table(uniqueName()), ArrayMap<number>);
    const elements = new Elements({ ...map, fd: map.fd, valueBytes: 4 });
    expect(failure(() => elements.delete(0)).why).toContain("exist from the start");
  });
});

describe.skipIf(reason !== "")(`per-CPU maps${reason}`, () => {
  const cpus = isRoot ? possibleCpus() : 1;

  it("give one value for each CPU and their sum, as bpftool does", () => {
    using map = only(maps.stats(uniqueName()), PerCpuArrayMap<Record_>);
    const values = Array.from({ length: cpus }, (_, cpu) => record(BigInt(cpu + 1), 2n ** 60n));
    map.set(2, values);
    expect(map.get(2)).toEqual(values);
    expect(map.sum(2)).toEqual(record(BigInt((cpus * (cpus + 1)) / 2), BigInt(cpus) * 2n ** 60n));
    expect([...map.sums()].map(([key]) => key)).toEqual([0, 1, 2, 3, 4]);
    const dump = bpftool("map", "dump", "id", String(map.info().id));
    expect(
      dump[2].formatted.values.map(({ cpu, value }: { cpu: number; value: { rx_packets: number } }) => [cpu, value.rx_packets]),
    ).toEqual(values.map((_, cpu) => [cpu, cpu + 1]));
  });

  it("list and delete in a hash", () => {
    using map = only(maps.perCpuHash(uniqueName()), PerCpuHashMap<number, Record_>);
    const values = Array.from({ length: cpus }, () => record(1n));
    map.set(7, values);
    map.set(9, values);
    expect([...map].sort(([a], [b]) => a - b)).toEqual([
      [7, values],
      [9, values],
    ]);
    expect(map.delete(7)).toBe(true);
    expect([...map.keys()]).toEqual([9]);
  });

  it("say what is wrong: a missing key, the number of values, values without a sum", () => {
    using map = only(maps.perCpuHash(uniqueName()), PerCpuHashMap<number, Record_>);
    expect(map.get(1)).toBeUndefined();
    expect(failure(() => map.sum(1)).message).toContain("has no entry at key 1");
    expect(failure(() => map.set(1, [])).message).toContain(`takes ${cpus} values`);
    using raw = only({ ...maps.perCpuHash(uniqueName()), valueTypeId: 0, keyTypeId: 0 }, PerCpuHashMap<Uint8Array, Uint8Array>);
    const key = new Uint8Array(4);
    raw.set(
      key,
      Array.from({ length: cpus }, () => new Uint8Array(16)),
    );
    if (cpus > 1) expect(failure(() => raw.sum(key)).message).toContain("have no sum: value is bytes");
  });
});

describe.skipIf(reason !== "")(`pins of maps${reason}`, () => {
  it("keep a map, can be taken away, and tell what is wrong with a path", () => {
    const directory = freshBpffs();
    using map = only(maps.table(uniqueName()), ArrayMap<number>);
    map.pin(`${directory}/table`);
    expect(map.pinnedAt).toBe(`${directory}/table`);
    expect(bpftool("map", "show", "pinned", `${directory}/table`).id).toBe(map.info().id);
    expect(failure(() => map.pin(`${directory}/table`)).why).toBe("The path is taken.");
    expect(failure(() => map.pin(`${directory}/a.b`)).why).toContain("no dots");
    expect(failure(() => map.pin("/tmp/not-bpffs")).why).toContain("not in a BPF file system");
    map.unpin();
    expect(failure(() => map.unpin()).message).toContain("is not pinned");
  });
});

it.skipIf(reason !== "")(`flags are the kernel's${reason}`, () => {
  using map = only({ ...maps.flows(uniqueName()), flags: BPF.BPF_F_NO_PREALLOC }, HashMap);
  expect(map.info()).toMatchObject({ flags: 1, typeName: "hash", keySize: 8, valueSize: 16, maxEntries: 64 });
});
