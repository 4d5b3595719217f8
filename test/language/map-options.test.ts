/** Options of maps, other CPUs' copies, and what the layout of a map's elements allows. */
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { ArrayMap, HashMap, loadSpec, PerCpuArrayMap } from "../../src/index.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { Vm } from "../../src/vm/index.ts";
import { frame, noKernel, PRELUDE, withoutKernel, word } from "../kernel.ts";
import { freshBpffs } from "../kernel-objects.ts";

const file = resolve("test/example.bpf.ts");
const source = (text: string) => `${PRELUDE}import { arrayOf, atomicAdd, lpmTrie } from "wirescript/kernel";\n${text}`;
const build = (text: string) => readElf(writeElf(compile(file, { overlay: new Map([[file, source(text)]]) }).spec));
const codes = (text: string) => check(file, { overlay: new Map([[file, source(text)]]) }).map(({ code }) => code);

const LIMITS = `
  const Limit = struct({ rate: u64, owner: bytes(6) });
  export const limits = hash({ key: u32, value: Limit, entries: 8, readOnly: true, noPrealloc: true });
  export const levels = array({ value: u64, entries: 2, readOnly: true });`;

describe.skipIf(noKernel)(`a map that is readOnly${withoutKernel}`, () => {
  test("is read by programs and filled by user space", () => {
    using object = loadSpec(
      build(`${LIMITS}
        export const p = xdp((ctx) => {
          const out = ctx.at(u64, 16);
          const limit = limits.lookup(7);
          const level = levels.lookup(1);
          if (!out || !limit || !level) return XDP_DROP;
          const owner = limit.owner;
          out.value = limit.rate + level.value + owner[5];
          return XDP_PASS;
        });`),
    );
    object.map("limits", HashMap).set(7, { rate: 100n, owner: new Uint8Array([0, 0, 0, 0, 0, 9]) });
    object.map("levels", ArrayMap).set(1, 1000n);
    expect(word(object.program("p").run(frame([0n])).packet, 0)).toBe(1109n);
    // BPF_F_RDONLY_PROG, BPF_F_NO_PREALLOC
    expect(object.map("limits").info().flags).toBe(0x81);
    expect(object.map("levels").info().flags).toBe(0x80);
  });
});

test.each([
  ["a field", "const e = limits.lookup(1); if (e) e.rate = 5;"],
  ["a scalar", "const e = levels.lookup(1); if (e) e.value++;"],
  ["a byte", "const e = limits.lookup(1); if (e) e.owner[0] = 5;"],
  ["through a function", "const e = limits.lookup(1); if (e) clear(e);"],
  ["by update", "limits.update(1, { rate: 1, owner: bytes(6)(0) });"],
  ["by delete", "limits.delete(1);"],
])("writing to a map that is readOnly is reported: %s", (_, text) => {
  const clear = "function clear(limit: Infer<typeof Limit>): void { limit.rate = 0; }";
  expect(codes(`${LIMITS}\n${clear}\nexport const p = xdp(() => { ${text} return XDP_PASS; });`)).toEqual(["WS2076"]);
});

test("a view of a map that is readOnly does not become one of another map", () => {
  const text = `${LIMITS}
    export const free = hash({ key: u32, value: Limit, entries: 8 });
    export const p = xdp((ctx) => {
      let e = free.lookup(1);
      if (ctx.length > 99) e = limits.lookup(1);
      if (e) e.rate = 5;
      return XDP_PASS;
    });`;
  expect(codes(text)).toEqual(["WS2007"]);
});

describe.skipIf(noKernel)(`lookupPerCpu${withoutKernel}`, () => {
  test("gives each CPU's copy, and null where there is no CPU", () => {
    const spec = build(`
      export const counts = perCpuArray({ value: u64, entries: 2 });
      export const p = xdp((ctx) => {
        const out = ctx.at(u64, 16);
        const cpu = ctx.at(u64, 24);
        if (!out || !cpu) return XDP_DROP;
        const copy = counts.lookupPerCpu(1, u32(cpu.value));
        if (!copy) return XDP_ABORTED;
        copy.value += 5;
        atomicAdd(copy.value, 1);
        out.value = copy.value;
        return XDP_PASS;
      });`);
    using object = loadSpec(spec);
    const counts = object.map("counts", PerCpuArrayMap);
    counts.set(
      1,
      Array.from({ length: counts.cpus }, (_, cpu) => BigInt(cpu * 100)),
    );
    const run = (cpu: number) => object.program("p").run(frame([0n, BigInt(cpu)]));
    for (let cpu = 0; cpu < counts.cpus; cpu++) expect(word(run(cpu).packet, 0)).toBe(BigInt(cpu * 100 + 6));
    expect(run(counts.cpus).action).toBe(0);
    const vm = new Vm(spec, { cpus: 2 });
    expect([0n, 1n, 2n].map((cpu) => vm.run("p", frame([0n, cpu])).action)).toEqual([2, 2, 0]);
  });
});

describe.skipIf(noKernel)(`the largest elements that the compiler takes${withoutKernel}`, () => {
  const module = (key: number, value: number, trie: number) => `
    const Prefix = struct({ prefixLength: u32, name: bytes(${trie}) });
    const Large = struct({ rows: arrayOf(bytes(1024), ${value}) });
    export const t = lpmTrie({ key: Prefix, value: u32, entries: 2 });
    export const c = perCpuArray({ value: Large, entries: 1 });
    export const h = perCpuHash({ key: bytes(${key}), value: Large, entries: 1, noPrealloc: true });
    export const a = array({ value: struct({ rows: arrayOf(Large, 127) }), entries: 1 });
    export const p = xdp(() => XDP_PASS);`;

  test("are taken by the kernel", () => {
    using object = loadSpec(build(module(512, 32, 256)));
    expect(object.program("p").run(frame([], 64)).action).toBe(2);
  });

  test("are just below those that it reports", () => {
    expect(codes(module(8, 33, 256))).toContain("WS3074");
    expect(codes(module(8, 32, 257))).toContain("WS3074");
  });
});

describe("entries that no kernel makes a map for", () => {
  test.each([
    ["hash({ key: u32, value: u32, entries: 134217728 })", []],
    ["hash({ key: u32, value: u32, entries: 134217729 })", ["WS3016"]],
    ["perCpuHash({ key: u32, value: u32, entries: 134217729 })", ["WS3016"]],
    ["lruHash({ key: u32, value: u32, entries: 4294967295 })", ["WS3016"]],
    ["lruPerCpuHash({ key: u32, value: u32, entries: 4294967295 })", ["WS3016"]],
    ["hashOfMaps({ key: u32, inner: array({ value: u32, entries: 1 }), entries: 134217729 })", ["WS3016"]],
    ["arrayOfMaps({ inner: hash({ key: u32, value: u32, entries: 134217729 }), entries: 1 })", ["WS3016"]],
    ["devMapHash({ entries: 2147483649 })", ["WS3016"]],
    ["cpuMap({ entries: 8192 })", []],
    ["cpuMap({ entries: 8193 })", ["WS3016"]],
    // These depend on the machine's memory, or take it only as they fill.
    ["array({ value: u64, entries: 4294967295 })", []],
    ["lpmTrie({ key: struct({ prefixLength: u32, address: be32 }), value: u32, entries: 4294967295 })", []],
  ])("%s", (map, expected) => {
    const imports = 'import { arrayOfMaps, cpuMap, devMapHash, hashOfMaps, lruPerCpuHash } from "wirescript/kernel";';
    expect(codes(`${imports}\nexport const m = ${map};\nexport const p = xdp(() => XDP_PASS);`)).toEqual(expected);
  });
});

test.each([
  "array({ value: struct({}), entries: 1 })",
  "hash({ key: struct({}), value: u32, entries: 1 })",
  "array({ value: struct({ a: u8, b: struct({}) }), entries: 1 })",
])("a struct without fields is reported: %s", (map) => {
  expect(codes(`export const m = ${map};\nexport const p = xdp(() => XDP_PASS);`)).toEqual(["WS3015"]);
});

describe("atomicAdd in an lpmTrie", () => {
  const trie = (address: string, value: string) => `
    const Prefix = struct({ prefixLength: u32, address: ${address} });
    export const hits = lpmTrie({ key: Prefix, value: ${value}, entries: 8 });
    export const p = xdp(() => {
      const key = { prefixLength: 8, address: ${address === "be32" ? "1" : `${address}(0)`} };
      const hit = hits.lookup(key);
      if (hit) atomicAdd(hit.value, 1);
      return XDP_PASS;
    });`;

  test.each([
    ["be32", "u32", []],
    ["be32", "u64", ["WS2021"]],
    ["bytes(16)", "u64", []],
    ["bytes(6)", "u32", ["WS2021"]],
  ])("knows that a value lies right behind %s: %s", (address, value, expected) => {
    expect(codes(trie(address, value))).toEqual(expected);
  });
});

describe.skipIf(noKernel)(`lists of each CPU's own${withoutKernel}`, () => {
  const spec = build(`
    export const seen = lruHash({ key: u32, value: u64, entries: 1001, perCpuLists: true, pinned: true });
    export const p = xdp(() => { seen.update(1, 5); return XDP_PASS; });`);

  test("are asked for, and found again by a pin although the kernel rounds their number up", () => {
    const pinPath = join(freshBpffs(), "lists");
    using first = loadSpec(spec, { pinPath });
    first.program("p").run(frame([0n]));
    expect(first.map("seen").info().flagNames).toEqual(["BPF_F_NO_COMMON_LRU"]);
    using again = loadSpec(spec, { pinPath });
    expect(again.map("seen", HashMap).get(1)).toBe(5n);
  });
});

describe.skipIf(noKernel)(`the number of entries${withoutKernel}`, () => {
  const spec = build(`
    export const table = hash({ key: u32, value: u64, entries: 4 });
    export const p = xdp(() => { table.update(1, 5); return XDP_PASS; });`);

  test("is the loader's to choose", () => {
    using object = loadSpec(spec, { entries: { table: 3 } });
    const table = object.map("table", HashMap);
    for (let key = 0; key < 3; key++) table.set(key, 1n);
    expect(() => table.set(3, 1n)).toThrow(/full/);
  });

  test.each([
    [{ other: 3 }, /no map of that name/],
    [{ table: 0 }, /32 bits/],
    [{ table: 1.5 }, /32 bits/],
    [{ table: 2 ** 32 }, /32 bits/],
  ])("is checked: %j", (entries: Record<string, number>, why) => {
    expect(() => loadSpec(spec, { entries })).toThrow(
      expect.objectContaining({ code: "USAGE", why: expect.stringMatching(why) }),
    );
  });
});
