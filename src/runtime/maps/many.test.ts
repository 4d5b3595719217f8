/** Many entries at once, and walks over maps that others change meanwhile. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { failure } from "../../../test/failure.ts";
import { lacking, temporaryDirectory } from "../../../test/foreign-tools.ts";
import { noKernel, type Running, start } from "../../../test/kernel.ts";
import { bpftool } from "../../../test/kernel-objects.ts";
import { ArrayMap, PerCpuArrayMap } from "./array.ts";
import { HashMap, PerCpuHashMap } from "./hash.ts";
import { LpmTrieMap } from "./lpm-trie.ts";
import { DevMap } from "./targets.ts";

const MODULE = `
  import { devMapHash, lpmTrie, lruPerCpuHash } from "wirescript/kernel";
  const Key = struct({ id: u32, zone: u32 });
  const Value = struct({ packets: u64, flag: u8 });
  export const table = hash({ key: Key, value: Value, entries: 20000 });
  export const lazy = hash({ key: Key, value: Value, entries: 20000, noPrealloc: true });
  export const small = hash({ key: u32, value: u32, entries: 100 });
  export const list = array({ value: Value, entries: 5000 });
  export const copies = perCpuHash({ key: u32, value: u64, entries: 3000 });
  export const copies_list = perCpuArray({ value: u64, entries: 300 });
  export const recent = lruHash({ key: u32, value: u32, entries: 4096 });
  export const recent_copies = lruPerCpuHash({ key: u32, value: u32, entries: 4096 });
  export const trie = lpmTrie({ key: struct({ prefixLength: u32, address: be32 }), value: u32, entries: 20000 });
  export const devices = devMapHash({ entries: 4096 });
  export const p = xdp(() => XDP_PASS);`;

type Key = { id: number; zone: number };
type Value = { packets: bigint; flag: number };
const value = (packets: number): Value => ({ packets: BigInt(packets), flag: packets & 0xff });

describe.skipIf(noKernel)(`many entries${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  let running: Running;
  beforeAll(() => {
    running = start(MODULE);
  });
  afterAll(() => running[Symbol.dispose]());
  const hash = (name: string) => running.object.map<HashMap<Key, Value>>(name, HashMap);
  const numbers = (name: string) => running.object.map<HashMap<number, number>>(name, HashMap);

  test.each(["table", "lazy"])("%s: written, read, deleted and taken out in batches", (name) => {
    const map = hash(name);
    const entry = (id: number): [Key, Value] => [{ id, zone: id % 7 }, value(id)];
    expect(map.setMany(Array.from({ length: 15_000 }, (_, id) => entry(id)))).toBe(15_000);
    expect(map.get({ id: 14_999, zone: 14_999 % 7 })).toEqual(value(14_999));
    expect(map.count()).toBe(15_000);
    const seen: number[] = [];
    map.forEach(({ packets, flag }, { id, zone }) => {
      expect([packets, flag, zone]).toEqual([BigInt(id), id & 0xff, id % 7]);
      seen.push(id);
    });
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 15_000 }, (_, id) => id));
    // Every third is there twice, every fifth not at all.
    const keys = Array.from({ length: 3000 }, (_, id) => [
      entry(id)[0],
      ...(id % 3 === 0 ? [entry(id)[0]] : []),
      { id, zone: 99 },
    ]).flat();
    expect(map.deleteMany(keys)).toBe(3000);
    expect(map.count()).toBe(12_000);
    expect(map.take({ id: 5000, zone: 5000 % 7 })).toEqual(value(5000));
    expect(map.take({ id: 5000, zone: 5000 % 7 })).toBeUndefined();
    const taken = map.takeAll();
    expect(taken).toHaveLength(11_999);
    expect(taken.every(([{ id }, { packets }]) => BigInt(id) === packets)).toBe(true);
    expect([map.count(), map.clear()]).toEqual([0, 0]);
  });

  test("a full map and a mode that refuses name the key; what came before is written", () => {
    const map = numbers("small");
    const error = failure(() => map.setMany(Array.from({ length: 150 }, (_, key) => [key, key] as const)));
    expect(error.message).toBe('The map "small" is full: key 100 was not added.');
    expect(map.count()).toBe(100);
    expect(failure(() => map.setMany([[200, 1]], { flags: "exist" })).message).toContain("no entry at key 200");
    expect(failure(() => map.setMany([[5, 1]], { flags: "noexist" })).message).toContain("already has an entry at key 5");
    expect(
      map.setMany(
        [
          [5, 50],
          [6, 60],
        ],
        { flags: "exist" },
      ),
    ).toBe(2);
    expect([map.get(5), map.get(6), map.clear()]).toEqual([50, 60, 100]);
    map.clear();
    expect(
      failure(() =>
        map.setMany([
          [1, 10],
          [2, 2 ** 40],
          [3, 30],
        ]),
      ).message,
    ).toBe("value is not a valid value.");
    expect([...map]).toEqual([[1, 10]]);
    expect(failure(() => map.deleteMany([1, -1])).message).toBe("key is not a valid value.");
    expect(map.count()).toBe(0);
    expect(map.setMany([])).toBe(0);
    expect(map.deleteMany([])).toBe(0);
  });

  test("arrays, per-CPU maps, LRU maps and tries alike", () => {
    const list = running.object.map<ArrayMap<Value>>("list", ArrayMap);
    expect(list.setMany(Array.from({ length: 5000 }, (_, index) => [index, value(index)] as const))).toBe(5000);
    expect([...list.values()].every(({ packets }, index) => packets === BigInt(index))).toBe(true);
    expect(failure(() => list.setMany([[5000, value(1)]])).message).toContain("no index 5000");

    const copies = running.object.map<PerCpuHashMap<number, bigint>>("copies", PerCpuHashMap);
    const each = (key: number) => Array.from({ length: copies.cpus }, (_, cpu) => BigInt(key + cpu));
    expect(copies.setMany(Array.from({ length: 2500 }, (_, key) => [key, each(key)] as const))).toBe(2500);
    expect(new Map(copies.takeAll())).toEqual(new Map(Array.from({ length: 2500 }, (_, key) => [key, each(key)])));
    const copiesList = running.object.map<PerCpuArrayMap<bigint>>("copies_list", PerCpuArrayMap);
    copiesList.setMany(Array.from({ length: 300 }, (_, key) => [key, each(key)] as const));
    expect([...copiesList].every(([key, values]) => values.every((copy, cpu) => copy === BigInt(key + cpu)))).toBe(true);

    for (const name of ["recent", "recent_copies"]) {
      const map = running.object.map(name) as unknown as HashMap<number, unknown>; // or its per-CPU twin
      const one = name === "recent" ? 7 : Array.from({ length: copies.cpus }, () => 7);
      map.setMany(Array.from({ length: 1000 }, (_, key) => [key, one] as const));
      expect(new Set(map.keys()).size).toBe(map.count());
      expect(map.takeAll().length).toBeGreaterThan(900);
    }

    const trie = running.object.map<LpmTrieMap<unknown, number>>("trie", LpmTrieMap);
    expect(trie.setMany(Array.from({ length: 10_000 }, (_, id) => [`10.${id >> 8}.${id & 255}.0/24`, id] as const))).toBe(
      10_000,
    );
    expect(new Set([...trie].map(([, id]) => id)).size).toBe(10_000);
    expect(trie.takeAll()).toHaveLength(10_000);
    expect(trie.count()).toBe(0);
  });

  test("a walk may delete and add as it goes, and two walks do not disturb each other", () => {
    const trie = running.object.map<LpmTrieMap<{ prefixLength: number; address: number }, number>>("trie", LpmTrieMap);
    trie.setMany(Array.from({ length: 6000 }, (_, id) => [{ prefixLength: 32, address: id }, id] as const));
    const seen: number[] = [];
    for (const [key, id] of trie) {
      seen.push(id);
      if (id % 2 === 1) trie.delete(key);
    }
    expect(seen.filter((id) => id % 2 === 0)).toHaveLength(3000);
    expect(new Set(seen).size).toBe(seen.length);
    trie.clear();

    const map = numbers("small");
    map.setMany(Array.from({ length: 90 }, (_, key) => [key, key] as const));
    const pairs = new Set<string>();
    for (const outer of map.keys()) for (const inner of map.keys()) pairs.add(`${outer} ${inner}`);
    expect(pairs.size).toBe(8100);
    map.clear();
  });

  const missing = lacking("bpftool");
  describe.skipIf(missing !== "")(`while bpftool changes the map${missing}`, () => {
    const bytes = (...values: number[]) =>
      [...new Uint8Array(new Uint32Array(values).buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

    /** Starts a process that adds and deletes keys; gives whether it is still at it. */
    function churn(id: number, commands: (round: number) => string[]): () => boolean {
      const file = join(temporaryDirectory(), "commands");
      const lines = Array.from({ length: 6000 }, (_, round) => commands(round)).flat();
      writeFileSync(file, lines.map((line) => line.replace("MAP", `id ${id}`)).join("\n"));
      const child = spawn("bpftool", ["batch", "file", file], { stdio: ["ignore", "ignore", "pipe"] });
      onTestFinished(() => void child.kill("SIGKILL"));
      let complaint = "";
      child.stderr.on("data", (text) => {
        complaint += text;
      });
      child.on("exit", (status) => {
        if (status !== null && status !== 0) throw new Error(`bpftool: ${complaint.slice(0, 500)}`);
      });
      return () => child.exitCode === null && child.signalCode === null;
    }

    async function alwaysWhole(walk: () => Iterable<number>, stable: number, busy: () => boolean): Promise<void> {
      let walks = 0;
      do {
        const ids = [...walk()];
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.filter((id) => id < stable)).toHaveLength(stable);
        walks++;
        await new Promise(setImmediate);
      } while (busy() || walks < 2);
    }

    test("a hash: what stays comes once, in every walk", async () => {
      const map = hash("table");
      map.setMany(Array.from({ length: 3000 }, (_, id) => [{ id, zone: 0 }, value(id)] as const));
      const key = (round: number) => bytes(100_000 + (round % 500), 1);
      const busy = churn(map.info().id, (round) => [
        `map update MAP key hex ${key(round)} value hex ${bytes(round, 0)} 00`,
        ...(round % 500 > 100 ? [`map delete MAP key hex ${key(round - 100)}`] : []),
      ]);
      await alwaysWhole(() => [...map].map(([{ id }]) => id), 3000, busy);
      map.clear();
    });

    test("a trie: in batches that start over when their key is deleted", async () => {
      const map = running.object.map<LpmTrieMap<{ prefixLength: number; address: number }, number>>("trie", LpmTrieMap);
      map.setMany(Array.from({ length: 3000 }, (_, id) => [{ prefixLength: 32, address: id * 4 }, id] as const));
      const key = (round: number) =>
        `${bytes(32)} 00 00 ${((round * 4) >> 8).toString(16).padStart(2, "0")} ${(((round * 4) & 255) | 1).toString(16).padStart(2, "0")}`;
      const busy = churn(map.info().id, (round) => [
        `map update MAP key hex ${key(round % 3000)} value hex ${bytes(100_000 + (round % 3000))}`,
        ...(round > 0 ? [`map delete MAP key hex ${key((round - 1) % 3000)}`] : []),
      ]);
      await alwaysWhole(() => map.values(), 3000, busy);
      map.clear();
    });

    test("a table of devices: from key to key", async () => {
      const map = running.object.map<DevMap<number>>("devices", DevMap);
      for (let id = 0; id < 1000; id++) map.set(id, 1);
      const busy = churn(map.info().id, (round) => [
        `map update MAP key hex ${bytes(100_000 + (round % 700))} value hex ${bytes(1)}`,
        ...(round > 0 ? [`map delete MAP key hex ${bytes(100_000 + ((round - 1) % 700))}`] : []),
      ]);
      await alwaysWhole(() => map.keys(), 1000, busy);
      map.clear();
    });

    test("counters are taken out without losing one", () => {
      const map = numbers("small");
      map.setMany(Array.from({ length: 50 }, (_, key) => [key, key] as const));
      expect(bpftool("map", "dump", "id", String(map.info().id))).toHaveLength(50);
      expect(map.takeAll().reduce((sum, [, count]) => sum + count, 0)).toBe((49 * 50) / 2);
      expect(bpftool("map", "dump", "id", String(map.info().id))).toEqual([]);
    });
  });
});
