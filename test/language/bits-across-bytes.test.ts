/** Bit fields that do not lie in one byte, as user space sees them: numbers under the names that the schema gives them, wherever a value is. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { type HashMap, loadSpec, openPinnedMap } from "../../src/index.ts";
import { codec } from "../../src/object/btf/codec.ts";
import { declarationsOf } from "../../src/object/declarations.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { isolated, lacking, temporaryDirectory } from "../foreign-tools.ts";
import { frame, noKernel, PRELUDE, withoutKernel } from "../kernel.ts";
import { freshBpffs } from "../kernel-objects.ts";
import { assertProperty } from "../property.ts";
import { takeRecords } from "../ring-buffer.ts";

const file = resolve("test/example.bpf.ts");
const build = (text: string) => {
  const source = `${PRELUDE}import { global, ringBuffer, setting } from "wirescript/kernel";\nimport { Vxlan } from "wirescript/net";\n${text}`;
  return compile(file, { overlay: new Map([[file, source]]) }).spec;
};

const MODULE = `
const Key = struct({ a: bits(5), b: bits(11), c: u8 });
const Value = struct({ x: bits(20), y: bits(12) });
export const m = hash({ key: Key, value: Value, entries: 4, pinned: true });
export const seen = array({ value: IPv6, entries: 1 });
export const events = ringBuffer({ value: struct({ n: u8, header: Vxlan }), bytes: 4096 });
export const g = global(Value);
export const s = setting(Value, { x: 1, y: 2 });
export const p = xdp(() => {
  m.update({ a: 1, b: 2, c: 3 }, { x: s.x, y: s.y });
  const ip = seen.lookup(0);
  if (!ip) return XDP_ABORTED;
  ip.version = 6;
  ip.trafficClass = 0xab;
  ip.flowLabel = 0x12345;
  const record = events.reserve();
  if (record) { record.n = 1; record.header.vni = 0x123456; events.submit(record); }
  const found = m.lookup({ a: 31, b: 2047, c: 9 });
  g.x = found ? found.y : 7;
  g.y += 8;
  return XDP_PASS;
});`;

describe.skipIf(noKernel)(`bit fields across bytes${withoutKernel}`, () => {
  test("are numbers in maps, records, variables and settings, and can be given by name", () => {
    using object = loadSpec(build(MODULE), { settings: { s: { x: 70_000, y: 9 } }, pinPath: freshBpffs() });
    object.globals.g = { x: 0xfffff, y: 1 };
    const run = () => object.program("p").run(frame([], 64)).action;
    expect(run()).toBe(2);
    const m = object.map("m") as HashMap<unknown, unknown>;
    expect([...m]).toEqual([
      [
        { a: 1, b: 2, c: 3 },
        { x: 70_000, y: 9 },
      ],
    ]);
    expect(m.get({ a: 1, b: 2, c: 3 })).toEqual({ x: 70_000, y: 9 });
    expect(object.globals.g).toEqual({ x: 7, y: 9 });
    expect((object.map("seen") as HashMap<unknown, unknown>).get(0)).toMatchObject({
      ...{ version: 6, trafficClass: 0xab, flowLabel: 0x12345, payloadLength: 0 },
    });
    m.set({ a: 31, b: 2047, c: 9 }, { x: 1, y: 4095 });
    expect(run()).toBe(2);
    expect(object.globals.g).toEqual({ x: 4095, y: 17 });
    expect(() => m.set({ a: 1, b: 2048, c: 0 }, { x: 1, y: 1 })).toThrow(
      expect.objectContaining({ message: "key.b is not a valid value.", why: "It is 2048, but bits(11) holds 0 to 2047." }),
    );
  });

  test("of a ring buffer's records too", () => {
    const spec = build(MODULE);
    using object = loadSpec(spec, { pinPath: freshBpffs() });
    object.program("p").run(frame([], 64));
    const [bytes] = takeRecords(object.map("events"));
    const type = spec.maps.find(({ name }) => name === "events")?.valueTypeId ?? 0;
    expect(codec(spec.btf ?? { types: [] }, type).decode(bytes ?? new Uint8Array())).toMatchObject({
      ...{ n: 1, header: { vni: 0x123456, vniPresent: 0 } },
    });
  });

  test("are told by the kernel where a map was pinned, and found again by the same types only", () => {
    const pinPath = freshBpffs();
    using object = loadSpec(build(MODULE), { pinPath });
    using map = openPinnedMap(join(pinPath, "m")) as HashMap<unknown, unknown>;
    map.set({ a: 4, b: 1025, c: 6 }, { x: 5, y: 6 });
    expect((object.map("m") as HashMap<unknown, unknown>).get({ a: 4, b: 1025, c: 6 })).toEqual({ x: 5, y: 6 });
    using again = loadSpec(build(MODULE), { pinPath });
    expect([...(again.map("m") as HashMap<unknown, unknown>).keys()]).toEqual([{ a: 4, b: 1025, c: 6 }]);
    const moved = MODULE.replace("x: bits(20), y: bits(12)", "x: bits(12), y: bits(20)");
    expect(() => loadSpec(build(moved), { pinPath })).toThrow(expect.objectContaining({ code: "MAP" }));
  });

  test.skipIf(lacking("bpftool"))(`leave objects that bpftool loads and whose maps it prints${lacking("bpftool")}`, () => {
    const object = join(temporaryDirectory(), "object.o");
    writeFileSync(object, writeElf(build(MODULE.replace(", pinned: true", ""))));
    const printed = isolated(`bpftool prog loadall ${object} /sys/fs/bpf/p pinmaps /sys/fs/bpf/maps
      bpftool map update pinned /sys/fs/bpf/maps/m key hex 08 02 03 value hex 11 17 00 09
      bpftool map dump pinned /sys/fs/bpf/maps/m; bpftool btf dump file ${object} format c | grep -A 9 "struct Value"`);
    expect(printed).toMatch(/"x": \["?(0x11|17)/);
    expect(printed).toContain("__be_bits_20_12 y;");
  });
});

test("an object file says as much as the module", () => {
  const spec = readElf(writeElf(build(MODULE)));
  const text = declarationsOf(spec, "object.o");
  expect(text).toContain("  x: number; // 20 bits\n  y: number; // 12 bits\n");
  expect(text).toContain("  flowLabel: number; // 20 bits\n");
  expect(writeElf(build(MODULE))).toEqual(writeElf(build(MODULE)));
});

test("bits are where kernel code has them: most significant first, over all bytes of their run", () => {
  const widths = fc.array(fc.integer({ min: 1, max: 32 }), { minLength: 1, maxLength: 8 });
  assertProperty(
    fc.property(widths, fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), (given, noise) => {
      const total = given.reduce((sum, bits) => sum + bits, 0);
      const rest = (8 - (total % 8)) % 8;
      const all = rest === 0 ? given : [...given, rest];
      const fields = all.map((bits, index) => `f${index}: bits(${bits})`).join(", ");
      const spec = build(`export const m = array({ value: struct({ before: u8, ${fields} }), entries: 1 });
        export const p = xdp(() => (m.lookup(0) ? XDP_PASS : XDP_DROP));`);
      const type = codec(spec.btf ?? { types: [] }, spec.maps[0]?.valueTypeId ?? 0);
      let left = noise;
      const value: Record<string, number> = { before: 7 };
      let written = "";
      for (const [index, bits] of all.entries()) {
        const each = BigInt.asUintN(bits, left);
        left >>= BigInt(bits);
        value[`f${index}`] = Number(each);
        written += each.toString(2).padStart(bits, "0");
      }
      const bytes = new Uint8Array(type.size);
      type.encode(value, bytes);
      expect(bytes[0]).toBe(7);
      expect([...bytes.subarray(1)].map((byte) => byte.toString(2).padStart(8, "0")).join("")).toBe(written);
      expect(type.decode(bytes)).toEqual(value);
      // Functions made for the type take over here.
      for (let times = 0; times < 250; times++) type.decode(bytes);
      expect(type.decode(bytes)).toEqual(value);
    }),
    { numRuns: 15 },
  );
});
