/** Settings replaced before load, tries, atomic counters, redirect maps and tail calls. */

import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { CpuMap, DevMap, type LoadedMap, LpmTrieMap, loadSpec, ProgArray } from "../../src/index.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { frame, noKernel, PRELUDE, runOnce, start, withoutKernel, word } from "../kernel.ts";

const DECLARATIONS = `import { atomicAdd, cpuMap, devMap, devMapHash, lpmTrie, lruPerCpuHash, progArray, setting, xskMap } from "wirescript/kernel";
const mac = bytes(6);
`;

function build(text: string) {
  const file = resolve("test/example.bpf.ts");
  return compile(file, { overlay: new Map([[file, PRELUDE + DECLARATIONS + text]]) }).spec;
}

/** `map` as a table of numbers. */
function table(map: LoadedMap): { set(key: unknown, value: number): void } {
  if (map instanceof LpmTrieMap || map instanceof DevMap || map instanceof CpuMap || map instanceof ProgArray) {
    return { set: (key, value) => map.set(key as number, value) };
  }
  throw new Error(`a ${map.kind} map`);
}

describe.skipIf(noKernel)(`settings${withoutKernel}`, () => {
  const text = `
    const port = setting(u16, 7999);
    const network = setting(be16, 0x0102);
    const limit = setting(u64, u64(0x1_0000_0000_0001n));
    const gateway = setting(mac, mac(1, 2, 3, 4, 5, 6));
    const on = setting(bool, true);
    const Out = struct({ port: u64, network: u64, limit: u64, gateway: mac });
    export const p = xdp((ctx) => {
      const out = ctx.at(Out, 16);
      if (!out) return XDP_DROP;
      out.port = port;
      out.network = network;
      out.limit = limit;
      out.gateway = gateway;
      return on ? XDP_TX : XDP_PASS;
    });`;
  const seen = (packet: Uint8Array) => [word(packet, 0), word(packet, 1), word(packet, 2), [...packet.subarray(40, 46)]];

  test("have their defaults", () => {
    using object = loadSpec(build(text));
    const { action, packet } = object.program("p").run(frame([], 64));
    expect(action).toBe(3);
    expect(seen(packet)).toEqual([7999n, 0x0102n, 0x1_0000_0000_0001n, [1, 2, 3, 4, 5, 6]]);
  });

  test("that were compared with an array's length are indexes of it", () => {
    const declarations = `import { arrayOf, setting } from "wirescript/kernel";
      const List = struct({ words: arrayOf(u32, 4), bytes: arrayOf(u8, 3) });
      const first = setting(u16, 2);
      const second = setting(i32, 1);`;
    const body = `const list = ctx.at(List, 16);
      if (!list || ctx.length < first) return XDP_DROP;
      if (first < 4) list.words[first] = 7;
      if (second >= 0 && second < 3) list.bytes[second] += 5;
      return first < list.words.length && second === 1 ? XDP_TX : XDP_PASS;`;
    for (const disabled of [[], ["number-values"], ["simplify"]]) {
      const { action, packet } = runOnce(body, frame([], 64), declarations, { disabledPasses: disabled });
      expect([action, packet[24], packet[33]]).toEqual([3, 7, 5]);
    }
    const text = `${declarations}\nexport const p = xdp((ctx) => {\n${body}\n});`;
    using object = loadSpec(build(text.replace(/import.*/, 'import { arrayOf } from "wirescript/kernel";')), {
      settings: { first: 9, second: -1 },
    });
    expect(object.program("p").run(frame([], 64)).action).toBe(2);
  });

  test("are replaced by the loader, also in an object file", () => {
    const settings = { port: 53, network: 0xa0b0, limit: 7n, gateway: new Uint8Array([6, 5, 4, 3, 2, 1]), on: false };
    for (const spec of [build(text), readElf(writeElf(build(text)))]) {
      using object = loadSpec(spec, { settings });
      const { action, packet } = object.program("p").run(frame([], 64));
      expect(action).toBe(2);
      expect(seen(packet)).toEqual([53n, 0xa0b0n, 7n, [6, 5, 4, 3, 2, 1]]);
    }
  });

  test("that do not exist, or do not fit, are refused", () => {
    expect(() => loadSpec(build(text), { settings: { prot: 53 } })).toThrow(/no setting "prot"/);
    expect(() => loadSpec(build(text), { settings: { port: 65536 } })).toThrow(/port/);
  });
});

describe.skipIf(noKernel)(`maps${withoutKernel}`, () => {
  test("an lpmTrie finds the longest prefix", () => {
    using object = loadSpec(
      build(`
        const Prefix = struct({ prefixLength: u32, address: be32 });
        export const routes = lpmTrie({ key: Prefix, value: u32, entries: 8 });
        export const p = xdp((ctx) => {
          const address = ctx.at(be32, 20);
          if (!address) return XDP_DROP;
          const route = routes.lookup({ prefixLength: 32, address: address.value });
          const out = ctx.at(u64, 24);
          if (out) out.value = route?.value ?? 999;
          return XDP_PASS;
        });`),
    );
    const routes = table(object.map("routes"));
    routes.set({ prefixLength: 8, address: 0x0a000000 }, 8);
    routes.set({ prefixLength: 24, address: 0x0a010200 }, 24);
    const route = (address: number) => {
      const packet = frame([], 64);
      new DataView(packet.buffer).setUint32(20, address);
      return word(object.program("p").run(packet).packet, 1);
    };
    expect([0x0a010203, 0x0a010303, 0x0b010203].map(route)).toEqual([24n, 8n, 999n]);
  });

  test("atomicAdd adds to fields of 4 and 8 bytes, and to scalars", () => {
    using object = loadSpec(
      build(`
        export const shared = array({ value: struct({ small: u32, reserved: u32, large: i64 }), entries: 1 });
        export const single = array({ value: u64, entries: 1 });
        export const p = xdp((ctx) => {
          const element = shared.lookup(0);
          const number = single.lookup(0);
          if (!element || !number) return XDP_ABORTED;
          atomicAdd(element.small, ctx.length);
          atomicAdd(element.large, -5);
          atomicAdd(number.value, 7);
          return XDP_PASS;
        });`),
    );
    for (let round = 0; round < 3; round++) expect(object.program("p").run(frame([], 64)).action).toBe(2);
    expect([...(object.map("shared") as Iterable<unknown>)]).toEqual([[0, { small: 192, reserved: 0, large: -15n }]]);
    expect([...(object.map("single") as Iterable<unknown>)]).toEqual([[0, 21n]]);
  });

  test("an lruPerCpuHash forgets the oldest when it is full", () => {
    using running = start(
      `${DECLARATIONS}
       export const recent = lruPerCpuHash({ key: u64, value: u64, entries: 64 });
       export const p = xdp((ctx) => {
         const key = ctx.at(u64, 16);
         if (!key) return XDP_DROP;
         return recent.update(key.value, 1) ? XDP_PASS : XDP_ABORTED;
       });`,
    );
    for (let key = 0n; key < 500n; key++) expect(running.run(frame([key], 64)).action).toBe(2);
  });

  test("redirect maps give XDP_REDIRECT for what they hold, else the fallback", () => {
    for (const kind of ["devMap", "devMapHash", "cpuMap"]) {
      using object = loadSpec(
        build(`
          export const targets = ${kind}({ entries: 8 });
          export const p = xdp((ctx) => {
            const key = ctx.at(u64, 16);
            if (!key) return XDP_DROP;
            return key.value > 100 ? targets.redirect(7) : targets.redirect(u32(key.value), XDP_PASS);
          });`),
      );
      // Interface 1 is always `lo`; a CPU's value is the length of its queue.
      table(object.map("targets")).set(0, kind === "cpuMap" ? 64 : 1);
      const verdicts = [0n, 5n, 200n].map((key) => object.program("p").run(frame([key], 64)).action);
      expect(verdicts, kind).toEqual([4, 2, 0]);
    }
  });

  test("an xskMap without sockets falls back", () => {
    const body = "return sockets.redirect(ctx.rxQueueIndex, XDP_PASS);";
    expect(runOnce(body, frame([], 64), `${DECLARATIONS} export const sockets = xskMap({ entries: 4 });`).action).toBe(2);
  });

  test("a tail call goes on in the other program, and comes back when there is none", () => {
    using object = loadSpec(
      build(`
        export const next = progArray({ entries: 4 });
        export const p = xdp((ctx) => {
          const index = ctx.at(u64, 16);
          if (!index) return XDP_DROP;
          next.tailCall(ctx, u32(index.value));
          return XDP_PASS;
        });
        export const other = xdp(() => XDP_TX);`),
    );
    table(object.map("next")).set(2, object.program("other").fd.number);
    const verdicts = [0n, 2n, 9n].map((index) => object.program("p").run(frame([index], 64)).action);
    expect(verdicts).toEqual([2, 3, 2]);
  });
});

describe("a section", () => {
  const codes = (section: string) => {
    const file = resolve("test/example.bpf.ts");
    const text = `${PRELUDE} export const p = xdp(() => XDP_PASS, { section: "${section}" });`;
    return check(file, { overlay: new Map([[file, text]]) }).map(({ code }) => code);
  };

  test.each(["xdp", "xdp_pass", "xdp.frags", "xdp/devmap", "filter", "rx", "prog"])("may be %s", (section) => {
    expect(codes(section)).toEqual([]);
  });

  test.each(["", "tc", "classifier", "kprobe/x", "socket", "license", "maps", ".maps", "a b"])("may not be %j", (section) => {
    expect(codes(section)).toEqual(["WS3008"]);
  });

  test(".text is for a module's only program, which calls no functions, and readers take it for one", () => {
    expect(codes(".text")).toEqual([]);
    const [program] = readElf(writeElf(build('export const p = xdp(() => XDP_DROP, { section: ".text" });'))).programs;
    expect(program).toMatchObject({ name: "p", section: ".text", type: "xdp" });
    expect(codes('.text" }); export const q = xdp(() => XDP_PASS, { section: "xdp')).toEqual(["WS3008"]);
    const calling = `import { noinline } from "wirescript/kernel";
      const f = noinline((n: u32): u32 => n * 3);
      export const p = xdp((ctx) => (f(ctx.length) === f(7) ? XDP_DROP : XDP_PASS), { section: ".text" });`;
    expect(() => build(calling)).toThrow("WS3008");
  });

  test("that says nothing of its program's type is an XDP program's for those who read the object", () => {
    const [program] = readElf(writeElf(build('export const p = xdp(() => XDP_DROP, { section: "filter" });'))).programs;
    expect(program).toMatchObject({ name: "p", section: "filter", type: "xdp" });
  });
});
