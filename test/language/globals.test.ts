/** Variables of a module: shared by its programs, by packets, by CPUs and by user space; in objects that other loaders take. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { type LoadedObject, loadSpec } from "../../src/index.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { Vm } from "../../src/vm/index.ts";
import { frame, noKernel, PRELUDE, withoutKernel, word } from "../kernel.ts";

const file = resolve("test/example.bpf.ts");
const IMPORTS = 'import { arrayOf, atomicAdd, global, noinline, setting } from "wirescript/kernel";\n';
const overlay = (text: string) => ({ overlay: new Map([[file, PRELUDE + IMPORTS + text]]) });
const build = (text: string) => compile(file, overlay(text)).spec;
const codes = (text: string) => check(file, overlay(text)).map(({ code }) => code);

const MODULE = `
const mac = bytes(6);
const Out = struct({ in0: u64, out0: u64, out1: u64, out2: u64, out3: u64 });
const State = struct({ hits: u64, last: be16, owner: mac, slots: arrayOf(u32, 4) });

let total: u64 = 0;
let first: u32 = 7;
export let enabled: boolean = true;
let small: u8 = 254;
let signed: i16 = i16(-5);
export let gateway = mac(0x02, 0, 0, 0, 0, 1);
export let shared: u64 = 0;
export let unused: u32 = 9;
export const state = global(State);
export const table = global(arrayOf(u16, 3), [10, 20, 30]);
export const limit = setting(u32, 1000);

const bump = noinline((by: u64): void => { total += by; });

export const p = xdp((ctx) => {
  const out = ctx.at(Out, 16);
  if (!out) return XDP_DROP;
  if (!enabled) return XDP_ABORTED;
  total++;
  const before = total;
  bump(out.in0);
  out.out0 = total - before;
  small++;
  out.out1 = small;
  signed -= 1;
  out.out2 = u64(i64(signed));
  first = u32(total) + limit;
  out.out3 = first;
  return XDP_TX;
});

export const q = xdp((ctx) => {
  const eth = ctx.at(Ethernet);
  const out = ctx.at(Out, 16);
  if (!eth || !out) return XDP_DROP;
  state.hits++;
  state.last = eth.type;
  state.owner = eth.src;
  state.slots[out.in0 & 3] += 2;
  atomicAdd(state.slots[0], 1);
  atomicAdd(shared, 5);
  atomicAdd(state.hits, 10);
  table[out.in0 % 3]++;
  eth.dst = gateway;
  gateway = eth.src;
  out.out0 = total;
  out.out1 = table[0];
  out.out2 = eth.dst.equals(gateway) ? 1 : 0;
  return XDP_TX;
});
`;

const packetOf = (in0: bigint) => {
  const packet = frame([in0, 0n, 0n, 0n, 0n]);
  packet.set([1, 1, 1, 1, 1, 1, 9, 8, 7, 6, 5, 4, 0x12, 0x34]);
  return packet;
};
const outs = (packet: Uint8Array) => [1, 2, 3, 4].map((index) => BigInt.asIntN(64, word(packet, index)));

describe.skipIf(noKernel)(`module variables${withoutKernel}`, () => {
  let object: LoadedObject;
  beforeAll(() => {
    object = loadSpec(build(MODULE));
  });
  afterAll(() => object?.close());

  test("keep their values from packet to packet, and wrap at their widths", () => {
    expect(outs(object.program("p").run(packetOf(3n)).packet)).toEqual([3n, 255n, -6n, 1004n]);
    expect(outs(object.program("p").run(packetOf(5n)).packet)).toEqual([5n, 0n, -7n, 1010n]);
    expect(object.globals).toMatchObject({ total: 10n, small: 0, signed: -7, first: 1010, unused: 9, limit: 1000 });
  });

  test("are shared by programs, and structs and arrays are live views", () => {
    const { packet } = object.program("q").run(packetOf(4n));
    expect(outs(packet).slice(0, 3)).toEqual([10n, 10n, 0n]);
    expect([...packet.subarray(0, 6)]).toEqual([2, 0, 0, 0, 0, 1]);
    object.program("q").run(packetOf(0n));
    const owner = Uint8Array.from([9, 8, 7, 6, 5, 4]);
    expect(object.globals.state).toEqual({ hits: 22n, last: 0x1234, owner, slots: [6, 0, 0, 0] });
    expect(object.globals).toMatchObject({ table: [11, 21, 30], shared: 10n, gateway: owner });
  });

  test("are read and written from user space, without touching their neighbours", () => {
    const { globals } = object;
    globals.enabled = false;
    expect(object.program("p").run(packetOf(1n)).action).toBe(0);
    Object.assign(globals, { enabled: true, total: 1n << 40n, table: [1, 2, 3] });
    expect(object.program("p").run(packetOf(1n)).action).toBe(3);
    expect(globals).toMatchObject({ total: (1n << 40n) + 2n, small: 1, table: [1, 2, 3] });
    expect(() => Object.assign(globals, { limit: 5 })).toThrow(/cannot be changed any more/);
    expect(() => Object.assign(globals, { total: -1n })).toThrow(/total/);
    expect(() => Object.assign(globals, { totals: 1 })).toThrow(
      expect.objectContaining({
        ...{ code: "USAGE", message: 'The object has no variable "totals".' },
        ...{ why: expect.stringMatching(/^It has .*total, /), fix: expect.stringMatching(/^Did you mean total\?/) },
      }),
    );
    expect(() => (globals as { totals?: bigint }).totals).toThrow('The object has no variable "totals".');
    expect("totals" in globals).toBe(false);
  });

  test("cannot be reached once the object is closed", () => {
    const other = loadSpec(build(MODULE));
    const { globals } = other;
    expect(globals.first).toBe(7);
    other.close();
    expect(() => globals.first).toThrow(/was closed/);
  });

  test("mean the same in the interpreter", () => {
    const spec = build(MODULE);
    using fresh = loadSpec(spec);
    const vm = new Vm(spec);
    for (const [name, in0] of [
      ["p", 3n],
      ["q", 1n],
      ["p", 1n],
      ["q", 2n],
    ] as const) {
      const [kernel, other] = [fresh.program(name).run(packetOf(in0)), vm.run(name, packetOf(in0))];
      expect({ action: other.action, packet: [...other.packet] }).toEqual({
        action: kernel.action,
        packet: [...kernel.packet],
      });
    }
  });

  test("survive the way through an ELF file, which bpftool loads", () => {
    const spec = build(MODULE);
    const elf = writeElf(spec);
    expect(readElf(elf).data.map(({ name, bytes }) => [name, [...bytes]])).toEqual(
      spec.data.map(({ name, bytes }) => [name, [...bytes]]),
    );
    using loaded = loadSpec(readElf(elf), { settings: { limit: 1 } });
    expect(outs(loaded.program("p").run(packetOf(3n)).packet)).toEqual([3n, 255n, -6n, 5n]);
    expect(loaded.globals.total).toBe(4n);
  });

  test("are printed by name by bpftool", () => {
    const folder = mkdtempSync(join(tmpdir(), `ws-globals-${process.pid}-`));
    try {
      writeFileSync(join(folder, "object.o"), writeElf(build(MODULE)));
      const dump = execFileSync("bpftool", ["btf", "dump", "file", join(folder, "object.o")], { encoding: "utf8" });
      expect(dump).toMatch(/DATASEC '\.bss'/);
      expect(dump).toMatch(/VAR 'total'/);
      const id = execFileSync("bpftool", ["-j", "map", "show"], { encoding: "utf8" });
      const maps = JSON.parse(id) as { id: number; name: string }[];
      const bss = maps.filter(({ name }) => name === "p.bss").map((map) => map.id);
      const printed = bss.map((map) => execFileSync("bpftool", ["map", "dump", "id", String(map)], { encoding: "utf8" }));
      expect(printed.some((text) => /"total": \d+/.test(text) && /"hits": 22/.test(text))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test.skipIf(noKernel)(`large variables are reached at every offset${withoutKernel}`, () => {
  using object = loadSpec(
    build(`const Big = struct({ a: arrayOf(u64, 5000), b: u16, c: arrayOf(u32, 20000) });
      export const big = global(Big);
      export const p = xdp((ctx) => { const w = ctx.at(u64, 16); if (!w) return XDP_DROP; const i = w.value;
        big.a[4999] = 1; big.b = 2; big.c[19999] = 3; big.c[i % 20000] += 4; big.a[i % 5000] += 5; atomicAdd(big.a[4998], 6); return XDP_PASS; });`),
  );
  expect(object.program("p").run(frame([19999n])).action).toBe(2);
  const { a, b, c } = object.globals.big as { a: bigint[]; b: number; c: number[] };
  expect([a[4998], a[4999], b, c[19999]]).toEqual([6n, 6n, 2, 7]);
});

describe("atomicAdd", () => {
  const program = (body: string) =>
    `const m = hash({ key: u32, value: struct({ a: u32, b: u64, c: u64 }), entries: 4 });
     export const p = xdp((ctx) => { let e = m.lookup(1); if (!e) return XDP_PASS;
       for (let i = 0; i < 100; i++) { ${body} const next = m.lookup(i); if (next) e = next; }
       return XDP_PASS; });`;
  test.skipIf(noKernel)(`takes an element that a long loop changes${withoutKernel}`, () =>
    loadSpec(build(program("atomicAdd(e.a, 1);"))).close(),
  );
  test("refuses what is not aligned there", () => expect(codes(program("atomicAdd(e.b, 1);"))).toEqual(["WS2021"]));
});

describe("a module variable", () => {
  const program = (body: string) => `export const p = xdp((ctx) => { ${body} return XDP_PASS; });`;

  test("needs a type with a size", () => expect(codes(`let n = 0; ${program("n++;")}`)).toEqual(["WS1019"]));
  test("needs a constant to start from", () =>
    expect(codes(`let n: u64 = ktimeGetNs(); ${program("n++;")}`)).toEqual(["WS3080"]));
  test("is checked when it is exported and nobody uses it", () =>
    expect(codes(`export let n = 0; ${program("")}`)).toEqual(["WS1019"]));
  test("of a struct is declared at the top level", () =>
    expect(codes(program("const s = global(struct({ a: u32 })); s.a = 1;"))).toEqual(["WS3002"]));
  test("has a name of its own in all that a program is made of", () => {
    const other = `${PRELUDE}let n: u64 = 0;\nexport function count(): void { n++; }`;
    const text = `${PRELUDE}import { count } from "./other.bpf.ts";\nlet n: u64 = 0;\n${program("n++; count();")}`;
    const files = new Map([
      [file, text],
      [resolve("test/other.bpf.ts"), other],
    ]);
    expect(check(file, { overlay: files }).map(({ code }) => code)).toEqual(["WS3006"]);
  });
});
