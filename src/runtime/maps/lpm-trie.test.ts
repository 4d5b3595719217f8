/** Tries: prefixes as people write them, beside the structs that the map declares. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noKernel, type Running, start } from "../../../test/kernel.ts";
import { LpmTrieMap } from "./lpm-trie.ts";
import { openMapById } from "./open-existing.ts";

const MODULE = `
  import { lpmTrie } from "wirescript/kernel";
  export const v4 = lpmTrie({ key: struct({ prefixLength: u32, address: be32 }), value: u32, entries: 16 });
  export const v6 = lpmTrie({ key: struct({ prefixLength: u32, address: bytes(16) }), value: u32, entries: 16 });
  export const vrf = lpmTrie({ key: struct({ prefixLength: u32, vrf: be32, address: be32 }), value: u32, entries: 16 });
  export const p = xdp(() => XDP_PASS);`;

describe.skipIf(noKernel)(`tries${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  let running: Running;
  beforeAll(() => {
    running = start(MODULE);
  });
  afterAll(() => running[Symbol.dispose]());
  const trie = <K>(name: string) => running.object.map<LpmTrieMap<K, number>>(name, LpmTrieMap);

  test("find the longest prefix that holds an address; delete takes that very prefix", () => {
    const map = trie<{ prefixLength: number; address: number }>("v4");
    map.set("0.0.0.0/0", 1);
    map.set("10.0.0.0/8", 2);
    map.set({ prefixLength: 24, address: 0x0a010200 }, 3);
    map.set("10.1.2.3", 4);
    expect(["192.0.2.1", "10.9.9.9", "10.1.2.9", "10.1.2.3", "10.1.0.0/16"].map((key) => map.get(key))).toEqual([
      1, 2, 3, 4, 2,
    ]);
    expect(map.delete("10.1.0.0/16")).toBe(false);
    expect(map.delete("10.1.2.0/24")).toBe(true);
    expect(map.get("10.1.2.9")).toBe(2);
    expect([...map.prefixes()].sort()).toEqual([
      ["0.0.0.0/0", 1],
      ["10.0.0.0/8", 2],
      ["10.1.2.3/32", 4],
    ]);
    expect([...map.keys()]).toContainEqual({ prefixLength: 8, address: 0x0a000000 });
    expect(
      map.setMany([
        ["198.51.100.0/24", 5],
        [{ prefixLength: 16, address: 0xc0a80000 }, 6],
      ]),
    ).toBe(2);
    expect(map.get("192.168.3.4")).toBe(6);
    expect(map.deleteMany(["198.51.100.0/24", "203.0.113.0/24", "10.0.0.0/8"])).toBe(2);
    expect(map.takeAll()).toHaveLength(3);
    expect(map.count()).toBe(0);
  });

  test("take IPv6, and work without types, when only the kernel knows the map", () => {
    const map = trie("v6");
    map.set("2001:db8::/32", 1);
    map.set("::/0", 2);
    expect([map.get("2001:db8:1::5"), map.get("fe80::1")]).toEqual([1, 2]);
    using opened = openMapById(map.info().id);
    if (!(opened instanceof LpmTrieMap)) throw new Error("no trie");
    expect([...opened.prefixes()]).toContainEqual(["2001:db8::/32", 1]);
    map.clear();
  });

  test.each([
    ["v4", "10.0.0.1/8", "Write 10.0.0.0/8."],
    ["v4", "10.0.0.0/33", "Give a length in that range"],
    ["v4", "10.0.0.0/-1", "Give a length in that range"],
    ["v4", "10.0.0.0/", "Give a length in that range"],
    ["v4", "10.0.0.0/8/8", "Give a length in that range"],
    ["v4", "localhost", 'Write it like "10.0.0.0/8"'],
    ["v4", "2001:db8::/32", "Give one of these."],
    ["v6", "10.0.0.0/8", "Give one of these."],
    ["v6", "2001:db8::1/32", "Write 2001:db8::/32."],
    ["vrf", "10.0.0.0/8", "Give the key as the struct"],
  ])("%s does not take %s", (name, key, fix) => {
    const map = trie(name);
    expect(() => map.set(key, 1)).toThrow(expect.objectContaining({ code: "MAP", fix: expect.stringContaining(fix) }));
    expect(() => map.get(key)).toThrow(expect.objectContaining({ code: "MAP" }));
  });

  test("of other keys take structs only", () => {
    const map = trie<{ prefixLength: number; vrf: number; address: number }>("vrf");
    map.set({ prefixLength: 40, vrf: 7, address: 0x0a000000 }, 1);
    expect(map.get({ prefixLength: 64, vrf: 7, address: 0x0a123456 })).toBe(1);
    expect(() => [...map.prefixes()]).toThrow('The keys of the map "vrf" are no IP prefixes.');
  });
});
