/** Ring buffers: what programs reserve, submit, discard and copy is what comes out, on the kernel and in the interpreter; what would be lost is reported. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { PASSES } from "../../src/compiler/passes/pipeline.ts";
import { loadSpec } from "../../src/index.ts";
import { codec } from "../../src/object/btf/codec.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { Vm } from "../../src/vm/index.ts";
import { VmRingBuffer } from "../../src/vm/maps/ring-buffer.ts";
import { frame, noKernel, PRELUDE, withoutKernel, word } from "../kernel.ts";
import { takeRecords } from "../ring-buffer.ts";

const IMPORTS = `${PRELUDE}import { arrayOfMaps, noinline, progArray, ringBuffer } from "wirescript/kernel";\n`;
const file = resolve("test/example.bpf.ts");

function build(text: string, disabledPasses: string[] = []) {
  return readElf(writeElf(compile(file, { disabledPasses, overlay: new Map([[file, IMPORTS + text]]) }).spec));
}

/** What a run of `p` on each packet gives and leaves in the ring buffer `events`, in the kernel and in the interpreter. */
function bothRuns(spec: ReturnType<typeof build>, packets: Uint8Array[]) {
  using object = loadSpec(spec);
  const vm = new Vm(spec);
  const inVm = vm.maps.get("events");
  if (!(inVm instanceof VmRingBuffer)) throw new Error("no ring buffer");
  return packets.map((packet) => {
    const kernel = object.program("p").run(packet);
    const interpreted = vm.run("p", packet);
    const records = takeRecords(object.map("events"));
    const taken: Uint8Array[] = [];
    for (let record = inVm.take(); record !== null; record = inVm.take()) taken.push(record);
    expect({ action: interpreted.action, packet: interpreted.packet, records: taken }).toEqual({
      action: kernel.action,
      packet: kernel.packet,
      records,
    });
    return { action: kernel.action, packet: kernel.packet, records };
  });
}

const EVENT = `const Event = struct({ id: u64, source: be32, kind: u8, mac: bytes(6) });
  export const events = ringBuffer({ value: Event, bytes: 4096 });`;

describe.skipIf(noKernel)(`records${withoutKernel}`, () => {
  test("that are submitted come out as they were filled in; those that are discarded do not", () => {
    const spec = build(`${EVENT}
      export const p = xdp((ctx) => {
        const eth = ctx.at(Ethernet);
        const id = ctx.at(u64, 16);
        if (!eth || !id) return XDP_DROP;
        const event = events.reserve();
        if (!event) return XDP_ABORTED;
        event.id = id.value;
        event.source = 0x0a000001;
        event.kind = 3;
        event.kind++;
        event.mac = eth.src;
        if (id.value === 13) {
          events.discard(event);
          return XDP_PASS;
        }
        events.submit(event, "never");
        return XDP_TX;
      });`);
    const packets = [7n, 13n, 9n].map((id) => {
      const packet = frame([id], 64);
      packet.set([1, 2, 3, 4, 5, 6], 6);
      return packet;
    });
    const runs = bothRuns(spec, packets);
    const event = codec(spec.btf ?? { types: [] }, spec.maps[0]?.valueTypeId ?? 0);
    expect(event.size).toBe(19);
    const decoded = runs.map(({ action, records }) => [action, records.map((record) => event.decode(record))]);
    const expected = (id: bigint) => ({ id, source: 0x0a000001, kind: 4, mac: new Uint8Array([1, 2, 3, 4, 5, 6]) });
    expect(decoded).toEqual([
      [3, [expected(7n)]],
      [2, []],
      [3, [expected(9n)]],
    ]);
  });

  test("of other schemas share a ring buffer; scalars and byte arrays are records too", () => {
    const spec = build(`
      const Small = struct({ kind: u8 });
      export const events = ringBuffer({ bytes: 8192 });
      export const p = xdp((ctx) => {
        const small = events.reserve(Small);
        if (small) {
          small.kind = 1;
          events.submit(small);
        }
        const number = events.reserve(be32);
        if (number) {
          number.value = 0x01020304;
          events.submit(number, "always");
        }
        const text = events.reserve(bytes(6));
        if (text === null) return XDP_PASS;
        text[0] = 9;
        for (let i = 0; i < 5; i++) text[i + 1] = ctx.length + i;
        events.submit(text);
        return XDP_PASS;
      });`);
    const [run] = bothRuns(spec, [frame([], 64)]);
    expect(run?.records.map((record) => [...record])).toEqual([[1], [1, 2, 3, 4], [9, 64, 65, 66, 67, 68]]);
  });

  test("are copied by `output`, from literals, packets and records, until the ring buffer is full", () => {
    const spec = build(`
      const Pair = struct({ a: u64, b: u64 });
      export const events = ringBuffer({ value: Pair, bytes: 4096 });
      export const p = xdp((ctx) => {
        const pair = ctx.at(Pair, 16);
        const result = ctx.at(u64, 32);
        if (!pair || !result) return XDP_DROP;
        let sent = 0;
        if (events.output({ a: pair.b, b: 5 })) sent++;
        if (events.output(pair)) sent++;
        const record = events.reserve();
        if (!record) return XDP_ABORTED;
        record.a = 1;
        record.b = 2;
        if (events.output(record, "never")) sent++;
        for (let i = 0; i < 300; i++) {
          if (!events.output({ a: i, b: i })) break;
          sent++;
        }
        result.value = sent * 1000 + events.query("availableData") - events.query("ringSize");
        const before = events.query("producerPosition") - events.query("consumerPosition");
        if (before !== events.query("availableData")) result.value = 1;
        record.a = 3;
        events.submit(record);
        return XDP_TX;
      });`);
    const [first, second] = bothRuns(spec, [frame([11n, 12n, 0n]), frame([1n, 2n, 0n])]);
    expect(first?.records.slice(0, 5).map((record) => [...new BigUint64Array(record.buffer.slice(0, 16))])).toEqual([
      [12n, 5n],
      [11n, 12n],
      [3n, 2n],
      [1n, 2n],
      [0n, 0n],
    ]);
    // 24 bytes each: 170 of them fit 4096 bytes less one.
    expect(first?.records.length).toBe(170);
    expect(word(first?.packet ?? frame(), 2)).toBe(169n * 1000n + 170n * 24n - 4096n);
    expect(second?.records.length).toBe(170);
  });
});

describe.skipIf(noKernel)(`a record may be${withoutKernel}`, () => {
  const body = (text: string) => `${EVENT}
    function begin(ctx: XdpContext) {
      const event = events.reserve();
      if (!event) return null;
      event.id = ctx.length;
      event.source = 0;
      event.kind = 0;
      event.mac = bytes(6)(0);
      return event;
    }
    const fill = noinline((event: View<typeof Event>, id: u64): void => {
      for (let i = 0; i < 150; i++) event.id += id;
    });
    export const p = xdp((ctx) => { ${text} });`;

  test.each([
    [
      "passed through functions",
      "const e = begin(ctx); if (!e) return XDP_DROP; e.kind = 1; events.submit(e); return XDP_PASS;",
    ],
    [
      "in a variable",
      "let e = begin(ctx); if (ctx.length > 9 && e) { events.submit(e); e = null; } if (e) events.discard(e); return XDP_PASS;",
    ],
    ["chosen", "const e = ctx.length > 60 ? begin(ctx) : null; if (e) events.submit(e); return XDP_PASS;"],
    [
      "compared before",
      "const e = begin(ctx); const ok = e !== null; let n = 0; if (ok) n = 1; if (e) events.submit(e); return n === 1 ? XDP_TX : XDP_PASS;",
    ],
    [
      "remembered by a flag",
      "const e = begin(ctx); let sent = false; if (e) { events.submit(e); sent = true; } return sent ? XDP_TX : XDP_PASS;",
    ],
    [
      "one of many in a loop",
      "for (let i = 0; i < 200; i++) { const e = begin(ctx); if (!e) break; e.id = i; events.submit(e); } return XDP_PASS;",
    ],
    [
      "filled in by a loop",
      "const e = begin(ctx); if (!e) return XDP_DROP; for (let i = 0; i < 200; i++) e.id += i; events.submit(e); return XDP_PASS;",
    ],
    [
      "held with another",
      "const e = begin(ctx); const f = begin(ctx); if (e) { if (f) f.id = e.id; events.submit(e); } if (f) events.submit(f); return XDP_PASS;",
    ],
    [
      "filled in by a subprogram",
      "const e = begin(ctx); if (!e) return XDP_DROP; fill(e, 7); events.submit(e); return XDP_PASS;",
    ],
    [
      "a key",
      "const e = begin(ctx); if (!e) return XDP_DROP; const k = table.lookup(e.mac); if (k) e.id = k.value; table.update(e.mac, 3); events.submit(e); return XDP_PASS;",
    ],
  ])("%s", (_, text) => {
    const module = `export const table = hash({ key: bytes(6), value: u64, entries: 8 });\n${body(text)}`;
    for (const spec of [build(module), build(module, ["thread-jumps", "simplify", "number-values"])]) {
      bothRuns(spec, [frame([], 64), frame([], 20)]);
    }
  });
});

describe.skipIf(noKernel)(`a record of a ring buffer that may not be there, with each pass and without${withoutKernel}`, () => {
  test.each([
    ["the record first", "const e = ring?.reserve(); if (!e || !ring) return XDP_DROP; e.value = 1; ring.submit(e);"],
    ["the ring buffer first", "const e = ring?.reserve(); if (ring && e) { e.value = 1; ring.submit(e); }"],
    ["each time anew", "const e = ring?.reserve() ?? null; if (e) { e.value = 1; ring?.submit(e); }"],
    [
      "of two",
      "const r = ctx.length > 99 ? ring : rings.lookup(2); const e = r?.reserve(); if (e && r) { e.value = 1; r.discard(e); }",
    ],
  ])("%s", (_, text) => {
    const module = `export const rings = arrayOfMaps({ inner: ringBuffer({ value: u64, bytes: 4096 }), entries: 4 });
      export const p = xdp((ctx) => {\nconst ring = rings.lookup(1);\n${text}\nreturn ctx.length > 60 ? XDP_PASS : XDP_DROP;\n});`;
    for (const disabled of [[], ...PASSES.map(({ name }) => [name]), PASSES.map(({ name }) => name)]) {
      loadSpec(build(module, disabled)).close();
    }
  });
});

describe.skipIf(noKernel)(
  `a record may be held while arrays are read at an index, with each pass and without${withoutKernel}`,
  () => {
    const declarations = `import { arrayOf, local } from "wirescript/kernel";
    const List = struct({ words: arrayOf(be16, 6), pairs: arrayOf(struct({ low: u8, high: u8 }), 4) });
    export const events = ringBuffer({ value: u64, bytes: 4096 });`;
    test.each([
      ["the packet", "e.value = list.words[i];"],
      ["a struct of the packet", "const pair = list.pairs[i % 4]; pair.low = 7; e.value = pair.low + pair.high;"],
      ["memory of its own", "const own = local(List); own.words = list.words; e.value = own.words[i];"],
      ["the packet twice", "e.value = list.words[i] + list.words[(i + 1) % 6];"],
      [
        "in a long loop",
        "for (let k = 0; k < 150; k++) { e.value += list.words[(i + k) % 6]; if (e.value & 1) e.value ^= k; }",
      ],
      ["where a record was given away already", "if (i > 2) { events.discard(e); return XDP_TX; } e.value = list.words[i];"],
    ])("%s", (_, text) => {
      const module = `${declarations}
      export const p = xdp((ctx) => {
        const list = ctx.at(List, 16);
        if (!list) return XDP_DROP;
        let i = list.words[5] % 6;
        const e = ctx.length > 60 ? events.reserve() : null;
        if (!e) return list.words[i] === 1 ? XDP_TX : XDP_DROP;
        ${text}
        events.submit(e);
        return XDP_PASS;
      });`;
      const packet = (index: number, length: number) => {
        const bytes = frame([0x0202_0102_0302n, 0x0009_0004_0007n], length);
        bytes[16 + 11] = index;
        return bytes;
      };
      for (const disabled of [[], ...PASSES.map(({ name }) => [name]), PASSES.map(({ name }) => name)]) {
        bothRuns(build(module, disabled), [packet(0, 64), packet(1, 64), packet(5, 64), packet(3, 40)]);
      }
    });
  },
);

test.skipIf(noKernel)(`a function that gives a record away is built in, however large the program is${withoutKernel}`, () => {
  // Each costs the compiler something, and the program nothing.
  const lines = Array.from({ length: 1600 }, (_, k) => `sum += ${k};`);
  const spec = build(`${EVENT}
    function finish(event: View<typeof Event>, id: u64): void {
      event.id = id;
      event.kind = u8(id & 3) + u8((id >> 8) & 3) + u8((id >> 16) & 3) + u8((id >> 24) & 3) + u8((id >> 32) & 3);
      if (id & 1) events.submit(event);
      else events.discard(event);
    }
    export const p = xdp((ctx) => {
      let sum = 0;
      ${lines.join("\n")}
      const first = events.reserve();
      if (first) finish(first, sum + ctx.length);
      const second = events.reserve();
      if (second) finish(second, sum + ctx.length + 1);
      return XDP_PASS;
    });`);
  const [run] = bothRuns(spec, [frame([], 64)]);
  expect(run?.records.length).toBe(1);
});

describe("a record must not be", () => {
  const codes = (text: string) => {
    const source = `${IMPORTS}${EVENT}\n${SUBPROGRAMS}\nexport const next = progArray({ entries: 1 });\nexport const p = xdp((ctx) => {\n${text}\nreturn XDP_PASS;\n});`;
    return check(file, { overlay: new Map([[file, source]]) }).map(({ code, text: line }) => `${code} ${line.trim()}`);
  };
  const SUBPROGRAMS = `const send = noinline((event: View<typeof Event>): void => {
events.submit(event);
});
const give = noinline(() => events.reserve());`;
  const reserved = "const e = events.reserve();";

  test.each([
    ["forgotten", `${reserved}`, "WS2070", reserved],
    [
      "forgotten in one case of a switch",
      `${reserved}\nif (!e) return XDP_DROP;\nswitch (ctx.length) {\ncase 1: events.submit(e); break;\ncase 2: break;\ndefault: events.discard(e);\n}`,
      "WS2070",
      reserved,
    ],
    [
      "forgotten in a loop",
      `for (let i = 0; i < 200; i++) {\n${reserved}\nif (e && i > 3) events.submit(e);\n}`,
      "WS2070",
      reserved,
    ],
    [
      "lost in a variable",
      `let e = events.reserve();\nif (ctx.length > 9) e = null;\nif (e) events.submit(e);`,
      "WS2070",
      "let e = events.reserve();",
    ],
    ["used afterwards", `${reserved}\nif (!e) return XDP_DROP;\nevents.submit(e);\ne.id = 1;`, "WS2071", "e.id = 1;"],
    [
      "read afterwards",
      `${reserved}\nif (!e) return XDP_DROP;\nevents.discard(e);\nif (e.id === 1) return XDP_DROP;`,
      "WS2071",
      "if (e.id === 1) return XDP_DROP;",
    ],
    [
      "compared afterwards",
      `${reserved}\nif (e) events.submit(e);\nif (e) return XDP_DROP;`,
      "WS2071",
      "if (e) return XDP_DROP;",
    ],
    [
      "submitted twice",
      `${reserved}\nif (!e) return XDP_DROP;\nif (ctx.length > 9) events.submit(e);\nevents.discard(e);`,
      "WS2071",
      "events.discard(e);",
    ],
    [
      "used after an alias was submitted",
      `${reserved}\nconst f = ctx.length > 9 ? e : null;\nif (!e) return XDP_DROP;\nif (f) { events.submit(f); e.id = 2; } else events.submit(e);`,
      "WS2071",
      "if (f) { events.submit(f); e.id = 2; } else events.submit(e);",
    ],
    [
      "held over a tail call",
      `${reserved}\nif (!e) return XDP_DROP;\nnext.tailCall(ctx, 0);\nevents.submit(e);`,
      "WS2072",
      "next.tailCall(ctx, 0);",
    ],
    ["submitted in part", `${reserved}\nif (!e) return XDP_DROP;\nevents.submit(e.mac);`, "WS2073", "events.submit(e.mac);"],
    ["submitted by a subprogram", `${reserved}\nif (!e) return XDP_DROP;\nsend(e);`, "WS2073", "events.submit(event);"],
    [
      "what a subprogram gives",
      `const e = give();\nif (e) events.discard(e);`,
      "WS2093",
      "const give = noinline(() => events.reserve());",
    ],
    ["a view of the packet", `const e = ctx.at(Event);\nif (e) events.submit(e);`, "WS2073", "if (e) events.submit(e);"],
  ])("%s", (_, text, code, line) => {
    expect(codes(text)).toContain(`${code} ${line}`);
  });
});
