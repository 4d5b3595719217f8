/**
 * Keys and values may lie anywhere: the kernel's helpers are given the place itself where they take it, and a copy on the stack where
 * they do not. Every place with every helper is one program, which the verifier must accept and which must find what it has put in.
 */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { loadSpec } from "../../src/index.ts";
import { Vm } from "../../src/vm/index.ts";
import { frame, noKernel, PRELUDE, withoutKernel } from "../kernel.ts";

/** Expressions for a struct and a byte array that lie in each place, and the statements in front of them. */
const PLACES: Record<string, { before: string; struct: string; bytes: string; after?: string }> = {
  "a literal": { before: "", struct: "{ id: 5, mac: mac(1, 2, 3, 4, 5, 6) }", bytes: "mac(1, 2, 3, 4, 5, 6)" },
  "the packet": {
    before: "const item = ctx.at(Item, 21);\nif (!item) return XDP_DROP;",
    struct: "item",
    bytes: "item.mac",
  },
  "the packet at a variable offset": {
    before:
      "const eth = ctx.at(Ethernet);\nif (!eth) return XDP_DROP;\nconst item = ctx.at(Item, 21 + (eth.type & 1));\nif (!item) return XDP_DROP;",
    struct: "item",
    bytes: "item.mac",
  },
  "a map": { before: "const e = elements.lookup(0);\nif (!e) return XDP_DROP;", struct: "e", bytes: "e.mac" },
  "a part of a map's element": {
    before: "const n = nested.lookup(0);\nif (!n) return XDP_DROP;",
    struct: "n.item",
    bytes: "n.item.mac",
  },
  "a map that is readOnly": { before: "const e = frozen.lookup(0);\nif (!e) return XDP_DROP;", struct: "e", bytes: "e.mac" },
  "the stack": { before: "const e = local(Item, { id: 7, mac: mac(9) });\ne.id++;", struct: "e", bytes: "e.mac" },
  "a queue": {
    before: "waiting.push({ id: 3, mac: mac(7) });\nconst e = waiting.pop();\nif (!e) return XDP_DROP;",
    struct: "e",
    bytes: "e.mac",
  },
  "a global": { before: "", struct: "state", bytes: "state.mac" },
  "a setting": { before: "", struct: "{ id: 1, mac: gateway }", bytes: "gateway" },
  "a record": {
    before: "const e = ring.reserve();\nif (!e) return XDP_DROP;\ne.id = 1;\ne.mac = mac(4);",
    struct: "e",
    bytes: "e.mac",
    after: "ring.discard(e);",
  },
};

const USES: Record<string, (struct: string, bytes: string) => string> = {
  "a struct as key and value": (struct) =>
    `ok = table.update(${struct}, ${struct}) && table.lookup(${struct}) !== null && table.delete(${struct}) && !table.lookup(${struct});`,
  "bytes as key and value": (_, bytes) =>
    `ok = macs.update(${bytes}, ${bytes}) && (macs.lookup(${bytes})?.equals(${bytes}) ?? false) && macs.delete(${bytes});`,
  "a key per CPU": (_, bytes) =>
    `ok = perCpu.update(${bytes}, 3) && perCpu.lookupPerCpu(${bytes}, getSmpProcessorId())?.value === 3;`,
  "a value of a queue": (struct) => `ok = jobs.push(${struct}) && jobs.pop() !== null;`,
  "a value of a filter": (struct, bytes) =>
    `ok = structs.push(${struct}) && structs.has(${struct}) && filter.push(${bytes}) && filter.has(${bytes});`,
  "a record to copy": (struct) => `ok = outputs.output(${struct});`,
  "a key of maps of maps": (_, bytes) => `ok = tables.lookup(${bytes}) === null;`,
};

const module = (place: string) => {
  const { before, struct, bytes, after = "" } = PLACES[place] as (typeof PLACES)[string];
  const programs = Object.values(USES).map(
    (use, index) => `export const p${index} = xdp((ctx) => {
      ${before}
      let ok = ctx.length > 5000;
      ${use(struct, bytes)}
      ${after}
      return ok ? XDP_TX : XDP_ABORTED;
    });`,
  );
  return `${PRELUDE}
    import { bloomFilter, global, hashOfMaps, local, queue, ringBuffer, setting } from "wirescript/kernel";
    const mac = bytes(6);
    const Item = struct({ id: u32, mac });
    const gateway = setting(mac, mac(2, 0, 0, 0, 0, 9));
    const state = global(Item, { id: 4, mac: mac(6) });
    export const elements = array({ value: Item, entries: 1 });
    export const frozen = array({ value: Item, entries: 1, readOnly: true });
    export const nested = array({ value: struct({ first: u8, item: Item }), entries: 1 });
    export const table = hash({ key: Item, value: Item, entries: 8 });
    export const macs = lruHash({ key: mac, value: mac, entries: 8 });
    export const perCpu = perCpuHash({ key: mac, value: u64, entries: 8 });
    export const waiting = queue({ value: Item, entries: 8 });
    export const jobs = queue({ value: Item, entries: 8 });
    export const structs = bloomFilter({ value: Item, entries: 8 });
    export const filter = bloomFilter({ value: mac, entries: 8 });
    export const ring = ringBuffer({ value: Item, bytes: 4096 });
    export const outputs = ringBuffer({ value: Item, bytes: 4096 });
    export const tables = hashOfMaps({ key: mac, inner: array({ value: u32, entries: 1 }), entries: 2 });
    ${programs.join("\n")}`;
};

describe.skipIf(noKernel).each(Object.keys(PLACES))(`keys and values in %s${withoutKernel}`, (place) => {
  test.each([
    ["optimised", []],
    ["not optimised", ["simplify", "forward-loads", "merge-copies", "merge-stores", "remove-dead-stores"]],
  ])("are taken by every helper (%s)", (_, disabledPasses) => {
    const file = resolve("test/example.bpf.ts");
    const { spec } = compile(file, { disabledPasses, overlay: new Map([[file, module(place)]]) });
    using object = loadSpec(spec);
    const vm = new Vm(spec);
    Object.keys(USES).forEach((use, index) => {
      expect(object.program(`p${index}`).run(frame([], 64)).action, use).toBe(3);
      expect(vm.run(`p${index}`, frame([], 64)).action, `${use} in the interpreter`).toBe(3);
    });
  });
});
