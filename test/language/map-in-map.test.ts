/** Maps of maps: programs find what user space puts in and exchanges, on the kernel and in the interpreter; the object is what libbpf makes of it. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { type ArrayMap, HashMap, loadSpec, MapOfMaps, RingBufferMap } from "../../src/index.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { Vm } from "../../src/vm/index.ts";
import { VmMapOfMaps } from "../../src/vm/maps/map-in-map.ts";
import { frame, noKernel, PRELUDE, withoutKernel, word } from "../kernel.ts";
import { takeRecords } from "../ring-buffer.ts";

const IMPORTS = `import { arrayOfMaps, devMap, hashOfMaps, inline, lpmTrie, noinline, queue, ringBuffer } from "wirescript/kernel";
import type { HashMap } from "wirescript/kernel";
`;

function build(text: string, disabledPasses: string[] = []) {
  const file = resolve("test/example.bpf.ts");
  return readElf(writeElf(compile(file, { disabledPasses, overlay: new Map([[file, PRELUDE + IMPORTS + text]]) }).spec));
}

type Table = HashMap<{ address: number; port: number }, bigint>;

const TABLES = `
  const Key = struct({ address: be32, port: be16 });
  export const tables = arrayOfMaps({ inner: hash({ key: Key, value: u64, entries: 16 }), entries: 4 });`;

const LOOKUP = `${TABLES}
  export const p = xdp((ctx) => {
    const which = ctx.at(u64, 16);
    const out = ctx.at(u64, 24);
    if (!which || !out) return XDP_DROP;
    const table = tables.lookup(u32(which.value));
    if (!table) return XDP_ABORTED;
    const found = table.lookup({ address: 0x0a000001, port: 80 });
    if (!found) {
      table.update({ address: 0x0a000001, port: 443 }, 5);
      return XDP_PASS;
    }
    found.value += 1;
    out.value = found.value;
    if (found.value > 42) table.delete({ address: 0x0a000001, port: 80 });
    return XDP_TX;
  });`;

describe.skipIf(noKernel)(`an arrayOfMaps${withoutKernel}`, () => {
  test("gives programs the maps that user space puts in, and typed maps to user space", () => {
    for (const spec of [build(LOOKUP), build(LOOKUP, ["forward-loads", "thread-jumps", "number-values", "simplify"])]) {
      using object = loadSpec(spec);
      // Typed by load<typeof Module>; here the class must do.
      const tables = object.map("tables", MapOfMaps) as MapOfMaps<number, Table>;
      const run = (index: bigint) => object.program("p").run(frame([index, 0n]));
      expect(run(0n).action).toBe(0);
      using first = tables.create();
      using second = tables.create("second");
      expect(first).toBeInstanceOf(HashMap);
      expect([first.name, second.name]).toEqual(["tables.inner", "second"]);
      first.set({ address: 0x0a000001, port: 80 }, 40n);
      tables.set(0, first);
      tables.set(3, second);
      expect([...tables.keys()]).toEqual([0, 3]);
      const answer = run(0n);
      expect([answer.action, word(answer.packet, 1)]).toEqual([3, 41n]);
      expect(run(3n).action).toBe(2);
      expect([...second.entries()]).toEqual([[{ address: 0x0a000001, port: 443 }, 5n]]);
      // Exchanged at once: what was in 3 is in 0 now.
      tables.set(0, second);
      expect(run(0n).action).toBe(2);
      expect(run(1n).action).toBe(0);
      using again = tables.get(3);
      expect(again?.info().id).toBe(second.info().id);
      expect(tables.get(2)).toBeUndefined();
      expect(tables.delete(3)).toBe(true);
      expect(run(3n).action).toBe(0);
      expect(first.get({ address: 0x0a000001, port: 80 })).toBe(41n);
    }
  });

  test("does not take maps of another shape, and says so", () => {
    using object = loadSpec(build(`${LOOKUP} export const other = hash({ key: u32, value: u64, entries: 16 });`));
    const tables = object.map("tables", MapOfMaps);
    expect(() => tables.set(0, object.map("other"))).toThrow(/"other" cannot be put into "tables"/);
    using inner = tables.create();
    expect(() => tables.set(9, inner)).toThrow(/tables/);
  });

  test("behaves in the interpreter as in the kernel", () => {
    const spec = build(LOOKUP);
    using object = loadSpec(spec);
    const vm = new Vm(spec);
    const tables = object.map("tables", MapOfMaps) as MapOfMaps<number, Table>;
    const inVm = vm.maps.get("tables");
    if (!(inVm instanceof VmMapOfMaps)) throw new Error("no map of maps");
    using inner = tables.create();
    inner.set({ address: 0x0a000001, port: 80 }, 41n);
    tables.set(1, inner);
    inVm.create(Uint8Array.of(1, 0, 0, 0)).set(Uint8Array.of(10, 0, 0, 1, 0, 80), Uint8Array.of(41, 0, 0, 0, 0, 0, 0, 0));
    for (const index of [0n, 1n, 1n, 1n, 1n, 7n]) {
      const packet = frame([index, 9n]);
      const kernel = object.program("p").run(packet);
      const interpreted = vm.run("p", packet);
      expect([interpreted.action, interpreted.packet]).toEqual([kernel.action, kernel.packet]);
    }
  });
});

describe.skipIf(noKernel)(`maps inside${withoutKernel}`, () => {
  test("are passed to functions, chosen, and kept in variables", () => {
    const spec = build(`${TABLES}
      function bump(table: HashMap<typeof Key, typeof u64> | null, port: u16): u64 {
        const found = table?.lookup({ address: 1, port });
        return found?.value ?? 7;
      }
      const count = noinline((table: HashMap<typeof Key, typeof u64>, port: u16): u64 => {
        const found = table.lookup({ address: 1, port });
        if (!found) return 100;
        found.value++;
        return found.value;
      });
      export const p = xdp((ctx) => {
        const out = ctx.at(u64, 24);
        if (!out) return XDP_DROP;
        let table = tables.lookup(0);
        if (!table) table = tables.lookup(1);
        const either = ctx.length > 1000 ? tables.lookup(2) : table;
        out.value = bump(either, 80) * 1000;
        if (either) out.value += count(either, 80);
        return XDP_TX;
      });`);
    using object = loadSpec(spec);
    const tables = object.map("tables", MapOfMaps) as MapOfMaps<number, Table>;
    const run = () => word(object.program("p").run(frame([0n, 0n])).packet, 1);
    expect(run()).toBe(7000n);
    using inner = tables.create();
    tables.set(1, inner);
    expect(run()).toBe(7100n);
    inner.set({ address: 1, port: 80 }, 3n);
    expect(run()).toBe(3004n);
  });

  test("may be of other types: tries, arrays, queues, ring buffers, devices", () => {
    const spec = build(`
      const Prefix = struct({ prefixLength: u32, address: be32 });
      export const tries = hashOfMaps({ key: be16, inner: lpmTrie({ key: Prefix, value: u32, entries: 8 }), entries: 4 });
      export const arrays = arrayOfMaps({ inner: perCpuArray({ value: u64, entries: 2 }), entries: 2 });
      export const queues = arrayOfMaps({ inner: queue({ value: u32, entries: 8 }), entries: 2 });
      export const rings = arrayOfMaps({ inner: ringBuffer({ value: u64, bytes: 4096 }), entries: 2 });
      export const devices = hashOfMaps({ key: u32, inner: devMap({ entries: 8 }), entries: 2 });
      export const p = xdp((ctx) => {
        const route = tries.lookup(0x0102)?.lookup({ prefixLength: 32, address: 0x0a010203 });
        if (!route) return XDP_DROP;
        const element = arrays.lookup(0)?.lookup(1);
        if (!element) return XDP_DROP;
        element.value += route.value;
        const waiting = queues.lookup(1);
        if (!waiting || !waiting.push(route.value)) return XDP_DROP;
        const ring = rings.lookup(0);
        if (!ring) return XDP_DROP;
        const record = ring.reserve();
        if (!record) return XDP_DROP;
        record.value = element.value;
        ring.submit(record);
        const targets = devices.lookup(5);
        return targets ? targets.redirect(1, XDP_PASS) : XDP_ABORTED;
      });`);
    using object = loadSpec(spec);
    const put = (map: string, key: unknown) => {
      const outer = object.map(map, MapOfMaps);
      const inner = outer.create();
      outer.set(key, inner);
      // biome-ignore lint/suspicious/noExplicitAny: each is of another class; what the program does shows that it is the right one.
      return inner as any;
    };
    // On one CPU: the arrays inside have an element for each.
    const run = () => object.program("p").run(frame([], 64), { cpu: 0 }).action;
    expect(run()).toBe(1);
    using trie = put("tries", 0x0102);
    trie.set({ prefixLength: 8, address: 0x0a000000 }, 33);
    using elements = put("arrays", 0);
    using waiting = put("queues", 1);
    using ring = put("rings", 0);
    expect(run()).toBe(0);
    using devices = put("devices", 5);
    expect(run()).toBe(2);
    devices.set(1, 1);
    expect(run()).toBe(4);
    expect(elements.sum(1)).toBe(99n);
    expect([waiting.pop(), waiting.pop(), waiting.pop(), waiting.pop()]).toEqual([33, 33, 33, undefined]);
    expect(ring).toBeInstanceOf(RingBufferMap);
    expect(takeRecords(ring).map((record) => record[0])).toEqual([33, 66, 99]);
  });
});

describe.skipIf(noKernel)(`arrays inside of any size${withoutKernel}`, () => {
  const spec = build(`
    export const rings = arrayOfMaps({ inner: array({ value: u32, entries: 5, anySize: true }), entries: 2 });
    export const p = xdp((ctx) => {
      const index = ctx.at(u64, 16);
      const out = ctx.at(u64, 24);
      if (!index || !out) return XDP_DROP;
      const ring = rings.lookup(0);
      const slot = ring?.lookup(u32(index.value));
      if (!slot) return XDP_ABORTED;
      out.value = slot.value;
      return XDP_PASS;
    });`);

  test("have each a size of their own, which lookups keep to", () => {
    using object = loadSpec(spec);
    const rings = object.map("rings", MapOfMaps) as MapOfMaps<number, ArrayMap<number>>;
    const run = (index: bigint) => object.program("p").run(frame([index, 0n]));
    for (const entries of [5, 1021, 2]) {
      using ring = rings.create("ring", { entries });
      expect(ring.info()).toMatchObject({ maxEntries: entries, flagNames: ["BPF_F_INNER_MAP"] });
      ring.set(entries - 1, 7 * entries);
      rings.set(0, ring);
      expect(word(run(BigInt(entries - 1)).packet, 1)).toBe(BigInt(7 * entries));
      expect(run(BigInt(entries)).action).toBe(0);
    }
    using usual = rings.create();
    expect(usual.maxEntries).toBe(5);
  });

  test("other maps inside take only their own size", () => {
    using object = loadSpec(build(LOOKUP));
    const tables = object.map("tables", MapOfMaps);
    using larger = tables.create("larger", { entries: 1000 });
    expect(larger.maxEntries).toBe(1000);
  });
});
