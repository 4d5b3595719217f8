/** Maps in loops that are too long for the verifier's walk, and are therefore run by the kernel's `bpf_loop`. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { loadSpec, MapOfMaps } from "../../src/index.ts";
import { HELPER } from "../../src/object/helpers.ts";
import { Vm } from "../../src/vm/index.ts";
import type { VmMapOfMaps } from "../../src/vm/maps/map-in-map.ts";
import type { VmRingBuffer } from "../../src/vm/maps/ring-buffer.ts";
import { frame, noKernel, PRELUDE, withoutKernel, word } from "../kernel.ts";
import { takeRecords } from "../ring-buffer.ts";

const file = resolve("test/example.bpf.ts");
const DECLARATIONS = `${PRELUDE}import { arrayOfMaps, queue, ringBuffer } from "wirescript/kernel";
  const Item = struct({ id: u64, rest: u64 });
  export const jobs = queue({ value: Item, entries: 100_000 });
  export const events = ringBuffer({ value: Item, bytes: 8192 });
  export const tables = arrayOfMaps({ inner: hash({ key: u32, value: u64, entries: 100 }), entries: 2 });
`;
const overlay = (body: string) =>
  new Map([
    [
      file,
      `${DECLARATIONS}export const p = xdp((ctx) => {
        const out = ctx.at(u64, 16);
        if (!out) return XDP_DROP;
        let sum = 0;
        ${body}
        out.value = sum;
        return XDP_PASS;
      });`,
    ],
  ]);

/** What makes a loop too branchy to walk. */
const NOISE = "if (sum & (1 << (i & 15))) sum += 3; else if (sum & 7) sum ^= i;";

const CASES: Record<string, string> = {
  "a queue's values": `for (const i of range(3000)) {
    jobs.push({ id: i, rest: sum });
    ${NOISE}
    if (i & 1) { const job = jobs.pop(); if (job) { job.id++; sum += job.id; } }
  }`,
  "records of each round": `for (const i of range(3000)) {
    ${NOISE}
    const event = events.reserve();
    if (!event) break;
    event.id = i;
    event.rest = sum;
    if (sum & 64) events.submit(event); else events.discard(event);
  }`,
  "copies into a ring buffer": `for (const i of range(3000)) {
    ${NOISE}
    if (!events.output({ id: i, rest: sum })) { sum += i; break; }
  }`,
  "a map that was looked up before": `const table = tables.lookup(1);
  if (!table) return XDP_ABORTED;
  for (const i of range(3000)) {
    ${NOISE}
    const found = table.lookup(u32(sum & 63));
    if (found) found.value += i; else table.update(u32(sum & 63), i);
    if (found && found.value > 1_000_000) break;
  }`,
  "maps that are looked up in each round": `for (const i of range(3000)) {
    ${NOISE}
    const table = tables.lookup(u32(i & 3));
    if (!table) { sum++; continue; }
    if (!table.update(u32(i & 127), sum)) sum += 5;
  }`,
};

describe.skipIf(noKernel).each(Object.entries(CASES))(`%s${withoutKernel}`, (_, body) => {
  test.each([
    ["optimised", []],
    ["not optimised", ["simplify", "number-values", "forward-loads", "thread-jumps"]],
  ])("%s", (_, disabledPasses) => {
    const { spec } = compile(file, { disabledPasses, overlay: overlay(body) });
    const calls = spec.programs.flatMap(({ functions }) => functions.flatMap(({ instructions }) => instructions));
    expect(calls.some(({ opcode, imm }) => opcode === 0x85 && Number(imm) === HELPER.loop)).toBe(true);
    using object = loadSpec(spec);
    using inner = object.map("tables", MapOfMaps).create();
    object.map("tables", MapOfMaps).set(1, inner);
    const vm = new Vm(spec);
    (vm.maps.get("tables") as VmMapOfMaps).create(Uint8Array.of(1, 0, 0, 0));
    const ring = vm.maps.get("events") as VmRingBuffer;
    for (const start of [0n, 77n]) {
      const kernel = object.program("p").run(frame([start], 64));
      const interpreted = vm.run("p", frame([start], 64));
      expect([interpreted.action, word(interpreted.packet, 0)]).toEqual([kernel.action, word(kernel.packet, 0)]);
      expect(kernel.action).toBe(2);
      const taken: Uint8Array[] = [];
      for (let record = ring.take(); record !== null; record = ring.take()) taken.push(record);
      expect(taken).toEqual(takeRecords(object.map("events")));
    }
  });
});

test.each([
  [
    "given away where the loop is left",
    "for (const i of range(3000)) { NOISE const e = events.reserve(); if (!e) continue; if (sum === i) { e.id = 1; events.submit(e); break; } events.discard(e); }",
  ],
  [
    "kept by a round",
    "let kept: View<typeof Item> | null = null; for (const i of range(3000)) { NOISE const e = events.reserve(); if (!e) break; if (i === 7) { kept = e; break; } events.discard(e); } if (kept) events.submit(kept);",
  ],
  [
    "given away in a round",
    "const e = events.reserve(); if (!e) return XDP_DROP; for (const i of range(3000)) { NOISE if (i === ctx.length) { events.submit(e); return XDP_PASS; } } events.discard(e);",
  ],
  [
    "held over the loop",
    "const e = events.reserve(); if (!e) return XDP_DROP; for (const i of range(3000)) { NOISE e.id += i; } events.submit(e);",
  ],
])("a record %s is reported when the loop is long", (_, body) => {
  const codes = (text: string) => check(file, { overlay: overlay(text) }).map((each) => each.code);
  expect(codes(body.replace("NOISE", NOISE))).toEqual(["WS2096"]);
});

test("a record that is forgotten in a long loop is reported", () => {
  const body = `for (const i of range(3000)) { ${NOISE} const e = events.reserve(); if (!e) continue; if (i > 9) return XDP_DROP; events.discard(e); }`;
  expect(check(file, { overlay: overlay(body) }).map((each) => each.code)).toEqual(["WS2070"]);
});

describe.skipIf(noKernel)(`a loop that the verifier walks${withoutKernel}`, () => {
  test.each([
    [
      "fills in a record",
      "const e = events.reserve(); if (!e) return XDP_DROP; e.id = 0; e.rest = 0; for (const i of range(200)) e.id += i; sum = e.id; events.submit(e);",
    ],
    [
      "keeps a record",
      "let kept: View<typeof Item> | null = null; for (const i of range(200)) { const e = events.reserve(); if (!e) break; if (i === 7) { e.id = i; e.rest = 0; kept = e; break; } events.discard(e); } if (kept) { sum = kept.id; events.submit(kept); }",
    ],
  ])("%s", (_, body) => {
    const { spec } = compile(file, { overlay: overlay(body) });
    using object = loadSpec(spec);
    const kernel = object.program("p").run(frame([0n], 64));
    expect(kernel.action).toBe(2);
    expect(word(new Vm(spec).run("p", frame([0n], 64)).packet, 0)).toBe(word(kernel.packet, 0));
  });
});
