/** Arrays: elements at constant and variable indexes, in every kind of memory, on the real kernel. */
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { CompileError } from "../../src/compiler/diagnostics/diagnostic.ts";
import { ArrayMap, HashMap, type LoadedObject, loadSpec } from "../../src/index.ts";
import { Vm } from "../../src/vm/index.ts";
import { frame, noKernel, PRELUDE, runOnce, withoutKernel, word } from "../kernel.ts";

const file = resolve("test/example.bpf.ts");
const IMPORTS = 'import { arrayOf, atomicAdd, local, setting } from "wirescript/kernel";\n';
const compiled = (text: string, options = {}) =>
  compile(file, { ...options, overlay: new Map([[file, PRELUDE + IMPORTS + text]]) }).spec;

/** In and out: words from byte 16 on. */
const DECLARATIONS = `
const Slot = struct({ id: u16, owner: bytes(6), hits: u32 });
const Word = struct({ in0: u64, in1: u64, out0: u64, out1: u64, out2: u64, out3: u64 });
const List = struct({ pad: u8, words: arrayOf(be16, 5), slots: arrayOf(Slot, 3), raw: arrayOf(u8, 8), flags: arrayOf(bool, 4) });
const Table = struct({ counts: arrayOf(u32, 6), wide: arrayOf(u64, 4), owners: arrayOf(bytes(6), 3), nested: arrayOf(arrayOf(i16, 3), 2) });
export const tables = array({ value: Table, entries: 2 });
export const keyed = hash({ key: arrayOf(u32, 4), value: arrayOf(u64, 3), entries: 8 });
const squares = setting(arrayOf(u32, 8), [0, 1, 4, 9, 16, 25, 36, 49]);
const names = setting(arrayOf(struct({ kind: be16, weight: i8, low: bits(4), high: bits(4) }), 3),
  [{ kind: 0x0800, weight: -1, low: 1, high: 2 }, { kind: 0x86dd, weight: 5, low: 3, high: 4 }, { kind: 0x0806, weight: -128, low: 15, high: 0 }]);
`;

const body = (name: string, text: string) =>
  `export const ${name} = xdp((ctx) => {\n const w = ctx.at(Word, 16);\n const list = ctx.at(List, 64);\n if (!w || !list) return XDP_DROP;\n const i = w.in0;\n ${text}\n return XDP_TX;\n});`;

const PROGRAMS: Record<string, string> = {
  constants: `w.out0 = list.words[0]; w.out1 = list.words[4]; list.words[1] = 0x1234; list.slots[2].hits += 5; list.slots[1].owner = list.slots[0].owner;
     w.out2 = list.slots.length; w.out3 = list.raw[7]; list.flags[3] = true;`,
  read_packet:
    "if (i >= 5) return XDP_PASS; w.out0 = list.words[i]; w.out1 = list.slots[i % 3].id; w.out2 = list.raw[i & 7]; w.out3 = list.flags[i & 3] ? 1 : 0;",
  write_packet: `if (i < 5) list.words[i] = u16(w.in1);
     const slot = list.slots[i % 3]; slot.hits = u32(w.in1); slot.owner = Ethernet.fields.dst(1, 2, 3, 4, 5, 6); list.raw[w.in1 & 7] = 0x77; list.words[i % 5]++;`,
  map_element: `const t = tables.lookup(1); if (!t) return XDP_ABORTED;
     if (i < t.counts.length) { t.counts[i]++; atomicAdd(t.counts[i], 2); }
     t.wide[i & 3] += w.in1; t.owners[i % 3][w.in1 % 6] = 9; t.nested[i & 1][w.in1 % 3] = i16(0) - i;
     w.out0 = t.counts[i % 6]; w.out1 = u64(t.nested[i & 1][w.in1 % 3]); w.out2 = t.owners[i % 3].equals(bytes(6)(0, 9)) ? 1 : 0;`,
  stack: `const t = local(arrayOf(u32, 5)); const s = local(arrayOf(Slot, 2), [{ id: 1, owner: bytes(6)(1), hits: 2 }, { id: 3, owner: bytes(6)(2), hits: 4 }]);
     for (let k = 0; k < 5; k++) t[k] = k * 10;
     t[i % 5] = u32(w.in1); s[i & 1].hits += 7; s[w.in1 & 1].id = 9;
     for (const x of t) w.out0 += x; w.out1 = s[0].id * 100 + s[1].id; w.out2 = s[0].hits * 100 + s[1].hits; w.out3 = t[w.in1 % 5];`,
  rodata:
    "w.out0 = squares[i & 7]; w.out1 = names[i % 3].kind; w.out2 = u64(names[i % 3].weight); w.out3 = names[i % 3].low * 100 + names[i % 3].high;",
  keys: `keyed.update([1, 2, 3, u32(i)], [7, w.in1, 9]);
     const e = keyed.lookup([1, 2, 3, u32(i)]); if (!e) return XDP_ABORTED; e[0] += 1; w.out0 = e[0]; w.out1 = e[i % 3]; w.out2 = e[1];`,
  loops: `let sum = 0; for (const x of list.words) sum += x; w.out0 = sum;
     let hits = 0; for (const s of list.slots) { s.id++; hits += s.hits; if (hits > 1000) break; } w.out1 = hits;
     let bytesum = 0; for (const b of list.slots[i % 3].owner) bytesum += b; w.out2 = bytesum;
     let lit = 0; for (const x of [3, 5, 7]) lit = lit * 10 + x; w.out3 = lit + [1, 2].length;`,
  narrowed: `let n = i; if (n > 4) n = 4; w.out0 = list.words[n]; w.out1 = list.words[i < 5 ? i : 0];
     const j = i + 1; if (i < 4) w.out2 = list.words[j]; if (i > 0 && i <= 5) w.out3 = list.words[i - 1];`,
  signed:
    "const s = i32(w.in0); if (s >= 0 && s < 5) w.out0 = list.words[s]; if (s > -1 && 4 >= s) w.out1 = list.words[s]; if (s === 3) w.out2 = list.words[s];",
  registers:
    "const owner = list.slots[0].owner; w.out0 = owner[i % 6]; w.out1 = owner[5]; let sum = 0; for (const b of owner) sum = sum * 2 + b; w.out2 = sum;",
  copies: `const t = local(Table); t.counts[i % 6] = 5; t.wide = [1, 2, 3, i]; t.owners[1] = list.slots[1].owner; const m = tables.lookup(0); if (!m) return XDP_ABORTED;
     m.counts = t.counts; m.wide = t.wide; m.owners = t.owners; m.nested[1] = [4, 5, 6]; list.slots[0] = list.slots[i % 3]; w.out0 = m.wide[3]; w.out1 = m.counts[i % 6];`,
  overlapping: `const Moved = struct({ low: bits(4), high: bits(4), words: arrayOf(be16, 5) }); const moved = ctx.at(Moved, 62);
     if (!moved) return XDP_ABORTED; const next = ctx.at(Moved, 63); if (!next) return XDP_ABORTED;
     next.words[0] = 0x1234; moved.words[4] = 0x5678; next.words[4] = 0x4321; const before = moved.words[1];
     next.low = 1; moved.words = [7, 7, 7, 7, 7]; const own = local(Moved, { low: 0, high: 0, words: next.words });
     own.words = [own.words[1], own.words[0], own.words[3], own.words[2], 9]; w.out0 = own.words[0]; w.out1 = own.words[1];
     const all = ctx.at(struct({ at: Moved }), 64); if (!all) return XDP_ABORTED; const source = ctx.at(Moved, 63); if (!source) return XDP_ABORTED;
     source.words = [1, 2, 3, 4, 5]; all.at = { low: 15, high: 15, words: source.words }; w.out2 = all.at.words[0]; w.out3 = all.at.words[4] + before - before;`,
  index_first: "let k = 1; list.words[k] = (k = 3); w.out0 = k; w.out1 = list.words[1]; w.out2 = list.words[3];",
  evaluated_once:
    "let k = 0; list.words[k++] += 3; list.words[k++]++; w.out0 = k; w.out1 = list.words[0]; w.out2 = list.words[1];",
};

const MODULE =
  DECLARATIONS +
  Object.entries(PROGRAMS)
    .map(([name, text]) => body(name, text))
    .join("\n");

interface List {
  words: number[];
  slots: { id: number; owner: number[]; hits: number }[];
  raw: number[];
  flags: boolean[];
}

const LIST: List = {
  words: [0x0102, 3, 0xffff, 4, 0x8001],
  slots: [
    { id: 10, owner: [1, 2, 3, 4, 5, 6], hits: 100 },
    { id: 20, owner: [7, 8, 9, 10, 11, 12], hits: 200 },
    { id: 30, owner: [13, 14, 15, 16, 17, 18], hits: 300 },
  ],
  raw: [8, 7, 6, 5, 4, 3, 2, 1],
  flags: [true, false, true, false],
};
const LIST_AT = 64;
const LIST_SIZE = 1 + 10 + 36 + 8 + 4;

function packetOf(in0: bigint, in1: bigint): Uint8Array {
  const bytes = frame([in0, in1], LIST_AT + LIST_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of LIST.words.entries()) view.setUint16(LIST_AT + 1 + index * 2, value);
  LIST.slots.forEach(({ id, owner, hits }, index) => {
    const at = LIST_AT + 11 + index * 12;
    view.setUint16(at, id, true);
    bytes.set(owner, at + 2);
    view.setUint32(at + 8, hits, true);
  });
  bytes.set(LIST.raw, LIST_AT + 47);
  bytes.set(LIST.flags.map(Number), LIST_AT + 55);
  return bytes;
}

function listIn(bytes: Uint8Array): List {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    words: [0, 1, 2, 3, 4].map((index) => view.getUint16(LIST_AT + 1 + index * 2)),
    slots: [0, 1, 2].map((index) => {
      const at = LIST_AT + 11 + index * 12;
      return { id: view.getUint16(at, true), owner: [...bytes.subarray(at + 2, at + 8)], hits: view.getUint32(at + 8, true) };
    }),
    raw: [...bytes.subarray(LIST_AT + 47, LIST_AT + 55)],
    flags: [...bytes.subarray(LIST_AT + 55, LIST_AT + 59)].map(Boolean),
  };
}

const outs = (packet: Uint8Array) => [2, 3, 4, 5].map((index) => BigInt.asIntN(64, word(packet, index)));
const changed = (change: (list: List) => void): List => {
  const list = structuredClone(LIST);
  change(list);
  return list;
};
const at = <T>(list: readonly T[], index: number): T => list[index] as T;

describe.skipIf(noKernel)(`arrays${withoutKernel}`, () => {
  let object: LoadedObject;
  let vm: Vm;
  beforeAll(() => {
    const spec = compiled(MODULE);
    object = loadSpec(spec);
    vm = new Vm(spec);
  });
  afterAll(() => object?.close());

  /** On the kernel; the interpreter must agree. */
  const run = (name: string, in0: number, in1 = 0) => {
    const packet = packetOf(BigInt(in0), BigInt(in1));
    const result = object.program(name).run(packet);
    const other = vm.run(name, packet);
    expect({ action: other.action, packet: Buffer.from(other.packet).toString("hex") }).toEqual({
      action: result.action,
      packet: Buffer.from(result.packet).toString("hex"),
    });
    return { action: result.action, outs: outs(result.packet), list: listIn(result.packet) };
  };

  test("are reached at constant indexes", () => {
    const { outs, list } = run("constants", 0);
    expect(outs).toEqual([0x0102n, 0x8001n, 3n, 1n]);
    expect(list).toEqual(
      changed((list) => {
        list.words[1] = 0x1234;
        at(list.slots, 2).hits += 5;
        at(list.slots, 1).owner = at(list.slots, 0).owner;
        list.flags[3] = true;
      }),
    );
  });

  test("are read in the packet at every index", () => {
    for (let i = 0; i < 5; i++) {
      const expected = [at(LIST.words, i), at(LIST.slots, i % 3).id, at(LIST.raw, i & 7), Number(at(LIST.flags, i & 3))];
      expect(run("read_packet", i).outs).toEqual(expected.map(BigInt));
    }
    expect(run("read_packet", 5).action).toBe(2);
    expect(run("read_packet", -1).action).toBe(2);
  });

  test("are written in the packet at every index", () => {
    for (let i = 0; i < 8; i++) {
      expect(run("write_packet", i, 0x4321 + i).list).toEqual(
        changed((list) => {
          if (i < 5) list.words[i] = 0x4321 + i;
          at(list.slots, i % 3).hits = 0x4321 + i;
          at(list.slots, i % 3).owner = [1, 2, 3, 4, 5, 6];
          list.raw[(0x4321 + i) & 7] = 0x77;
          list.words[i % 5] = (at(list.words, i % 5) + 1) & 0xffff;
        }),
      );
    }
  });

  test("are read, written and added to atomically in a map's element", () => {
    const counts = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 9; i++) {
      if (i < 6) counts[i] = at(counts, i) + 3;
      expect(run("map_element", i, i + 1).outs).toEqual([BigInt(at(counts, i % 6)), BigInt(-i), expect.anything(), 0n]);
    }
    expect(object.map("tables", ArrayMap).get(1)).toEqual({
      counts: [3, 3, 3, 3, 3, 3],
      wide: [1n + 5n + 9n, 2n + 6n, 3n + 7n, 4n + 8n],
      owners: [0, 1, 2].map((owner) => {
        const bytes = new Uint8Array(6);
        for (let i = 0; i < 9; i++) if (i % 3 === owner) bytes[(i + 1) % 6] = 9;
        return bytes;
      }),
      nested: [0, 1].map((row) => {
        const values = [0, 0, 0];
        for (let i = 0; i < 9; i++) if ((i & 1) === row) values[(i + 1) % 3] = 0 - i;
        return values;
      }),
    });
  });

  test("are tables on the stack", () => {
    for (let i = 0; i < 7; i++) {
      const t = [0, 10, 20, 30, 40];
      t[i % 5] = 1000 + i;
      const hits = [2, 4];
      hits[i & 1] = at(hits, i & 1) + 7;
      const ids = [1, 3];
      ids[(1000 + i) & 1] = 9;
      const expected = [
        t.reduce((sum, x) => sum + x),
        at(ids, 0) * 100 + at(ids, 1),
        at(hits, 0) * 100 + at(hits, 1),
        at(t, (1000 + i) % 5),
      ];
      expect(run("stack", i, 1000 + i).outs).toEqual(expected.map(BigInt));
    }
  });

  test("are constant tables that the loader can replace", () => {
    const names = [
      [0x0800, -1, 102],
      [0x86dd, 5, 304],
      [0x0806, -128, 1500],
    ];
    for (let i = 0; i < 9; i++) expect(run("rodata", i).outs).toEqual([(i & 7) ** 2, ...at(names, i % 3)].map(BigInt));
    using replaced = loadSpec(compiled(MODULE), { settings: { squares: [9, 8, 7, 6, 5, 4, 3, 2] }, programs: ["rodata"] });
    expect(outs(replaced.program("rodata").run(packetOf(2n, 0n)).packet)[0]).toBe(7n);
  });

  test("are keys and values of maps", () => {
    expect(run("keys", 1, 42).outs).toEqual([8n, 42n, 42n, 0n]);
    expect(object.map("keyed", HashMap).get([1, 2, 3, 1])).toEqual([8n, 42n, 9n]);
    object.map("keyed", HashMap).set([1, 2, 3, 5], [1n, 2n, 3n]);
    expect([...object.map("keyed", HashMap).entries()].map(([key]) => key)).toContainEqual([1, 2, 3, 5]);
  });

  test("are gone through by for…of", () => {
    const { outs, list } = run("loops", 1);
    expect(outs).toEqual([LIST.words.reduce((sum, x) => sum + x), 600, 57, 359].map(BigInt));
    expect(list.slots.map(({ id }) => id)).toEqual([11, 21, 31]);
  });

  test("take what the branches before have let through", () => {
    for (let i = 0; i < 8; i++) {
      const { words } = LIST;
      const expected = [
        at(words, Math.min(i, 4)),
        at(words, i < 5 ? i : 0),
        i < 4 ? at(words, i + 1) : 0,
        i > 0 && i <= 5 ? at(words, i - 1) : 0,
      ];
      expect(run("narrowed", i).outs).toEqual(expected.map(BigInt));
    }
  });

  test("take signed indexes that are not negative", () => {
    for (const i of [-1, 0, 3, 4, 5]) {
      const inside = i >= 0 && i < 5 ? at(LIST.words, i) : 0;
      expect(run("signed", i).outs).toEqual([inside, inside, i === 3 ? inside : 0, 0].map(BigInt));
    }
  });

  test("of bytes that were read are reached at variable indexes too", () => {
    for (let i = 0; i < 7; i++) {
      expect(run("registers", i).outs).toEqual([(i % 6) + 1, 6, 120, 0].map(BigInt));
    }
  });

  test("are copied whole", () => {
    const { outs, list } = run("copies", 2);
    expect(outs).toEqual([2n, 5n, 0n, 0n]);
    expect(at(list.slots, 0)).toEqual(at(LIST.slots, 2));
    expect(object.map("tables", ArrayMap).get(0)).toEqual({
      counts: [0, 0, 5, 0, 0, 0],
      wide: [1n, 2n, 3n, 2n],
      owners: [new Uint8Array(6), Uint8Array.from([7, 8, 9, 10, 11, 12]), new Uint8Array(6)],
      nested: [
        [0, 0, 0],
        [4, 5, 6],
      ],
    });
  });

  test("have their index computed once", () => {
    const { outs } = run("evaluated_once", 0);
    expect(outs).toEqual([2n, 0x0105n, 4n, 0n]);
  });

  test("what a literal takes from where it is written is read before", () => {
    const { outs } = run("overlapping", 0);
    expect(outs).toEqual([0x0700n, 0x0700n, 1n, 5n]);
  });

  test("with booleans are copied byte by byte, whereas a boolean that is read alone is written as 0 or 1", () => {
    const body = `const flags = ctx.at(Flags, 16);
      const copies = ctx.at(Copies, 20);
      if (!flags || !copies) return XDP_DROP;
      copies.whole = flags;
      copies.parts = { list: flags.list, one: flags.one };
      flags.list = [flags.list[1], flags.list[0], flags.list[2]];
      return XDP_PASS;`;
    const declarations = `${IMPORTS}const Flags = struct({ list: arrayOf(bool, 3), one: bool });
      const Copies = struct({ whole: Flags, parts: Flags });`;
    const packet = frame([], 64);
    packet.set([0, 7, 0x80, 9], 16);
    expect([...runOnce(body, packet, declarations).packet.subarray(16, 28)]).toEqual([
      1, 0, 1, 9, 0, 7, 0x80, 9, 0, 7, 0x80, 1,
    ]);
    // A literal for what it takes its parts from: they are read before anything is written.
    const onto = `const copies = ctx.at(Copies, 16);
      if (!copies) return XDP_DROP;
      const { whole } = copies;
      copies.whole = { list: whole.list, one: !whole.one };
      return XDP_PASS;`;
    expect([...runOnce(onto, packet, declarations).packet.subarray(16, 20)]).toEqual([0, 7, 0x80, 0]);
  });

  test("the index of a target is computed before the value that is assigned", () => {
    const { outs } = run("index_first", 0);
    expect(outs).toEqual([3n, 3n, 4n, 0n]);
  });

  test("keep their bounds in long loops, the kernel's own among them", () => {
    const spec = compiled(
      `import { global, noinline } from "wirescript/kernel";
        const Big = struct({ a: arrayOf(u32, 300), n: u32, s: arrayOf(struct({ x: u16, y: u32 }), 200) });
        const Pkt = struct({ i: u64, list: arrayOf(be16, 100), out: arrayOf(u32, 8) });
        export const m = array({ value: Big, entries: 1 });
        export const g = global(arrayOf(u64, 300));
        export let count: u64 = 0;
        export const p = xdp((ctx) => {
          const e = m.lookup(0);
          const pkt = ctx.at(Pkt, 16);
          if (!e || !pkt) return XDP_DROP;
          const t = local(arrayOf(u16, 40));
          let odd = 0;
          for (let i = 0; i < 300; i++) {
            if (e.a[i] & 1) odd++;
            else if (e.a[i] > 100) odd += 2;
            e.a[i]++;
            g[i] += e.a[i];
            if (i < 200) e.s[i].y += odd;
            if (i < 100 && pkt.list[i] === 7) count++;
            if (i < 40) t[i] = u16(odd);
            if (i > 250) g[i - 250]++;
          }
          for (const s of e.s) { s.x++; if (s.x > 1000) break; }
          const i = pkt.i;
          if (i < 100) {
            for (let k = 0; k < 200; k++) { if (i >= 100) break; if (e.a[k] & 4) pkt.list[i]++; g[i]++; atomicAdd(g[i], k); }
            const f = noinline((n: u64): u64 => (n < 40 ? g[n] : 0));
            count += f(i);
          }
          for (const j of range(200)) { const q = (j + i) % 100; pkt.list[q] = u16(pkt.list[q] + t[q % 40]); if (q === 99) break; }
          for (let k = 0; k < 500; k++) { if (i >= 8) break; if (e.a[k % 300] > k) pkt.out[i]++; else pkt.out[7 - i] += 2; }
          return XDP_TX;
        });`,
    );
    using loaded = loadSpec(spec);
    const interpreter = new Vm(spec);
    for (const i of [0, 3, 7, 39, 99, 1000]) {
      const packet = frame([BigInt(i)], 400);
      packet[24 + 7] = 7;
      const { action, packet: expected } = loaded.program("p").run(packet);
      const other = interpreter.run("p", packet);
      expect({ action: other.action, packet: [...other.packet] }).toEqual({ action, packet: [...expected] });
    }
    expect(loaded.globals.count).toBe(80435n);
  });

  for (const disabledPasses of [
    ["simplify"],
    ["number-values"],
    ["use-known-conditions"],
    ["forward-loads", "remove-dead-stores"],
  ]) {
    test(`load with ${disabledPasses.join(" and ")} switched off`, () => {
      using other = loadSpec(compiled(MODULE, { disabledPasses }));
      for (const name of Object.keys(PROGRAMS)) {
        for (const i of [0n, 3n, 4n, 77n]) {
          const packet = packetOf(i, 2n);
          if (["map_element", "keys", "copies"].includes(name)) continue;
          const { duration: _, ...expected } = object.program(name).run(packet);
          expect(other.program(name).run(packet)).toMatchObject(expected);
        }
      }
    });
  }
  for (const cpu of [1, 2, 4]) test(`load for cpu v${cpu}`, () => loadSpec(compiled(MODULE, { cpu })).close());
});

describe("an index that may be beyond the array", () => {
  const refused = [
    "list.words[i]",
    "list.words[i & 7]",
    "list.words[i % 6]",
    "list.words[i > 5 ? 5 : i]",
    "list.words[i - 1]",
    "list.slots[i].id",
    "squares[8]",
    "list.words[5]",
  ];
  for (const expression of refused) {
    test(`${expression} is refused at its line`, () => {
      const codes = (): string[] => {
        try {
          compiled(DECLARATIONS + body("p", `w.out0 = ${expression};`));
          return [];
        } catch (error) {
          if (error instanceof CompileError) return error.diagnostics.map(({ code }) => code);
          throw error;
        }
      };
      expect(codes()).toEqual([/\[\d\]$/.test(expression) ? "WS2009" : "WS2080"]);
    });
  }

  test("a table of constants cannot be written", () => {
    expect(() => compiled(DECLARATIONS + body("p", "squares[1] = 2;"))).toThrow(/WS2008/);
  });
});

describe.skipIf(noKernel)(`bytes of a byte array in a variable${withoutKernel}`, () => {
  const packet = frame([0x0706050403020100n, 3n, 0n, 0n]);
  const run = (statements: string) => {
    const { packet: out } = runOnce(
      `const w = ctx.at(struct({ src: bytes(6), rest: u16, i: u64, out: bytes(6), pad: u16, n: u64 }), 16);
       if (!w) return XDP_DROP;
       const i = w.i;
       ${statements}
       return XDP_TX;`,
      packet,
      'import { local, swap } from "wirescript/kernel";',
    );
    return { src: [...out.subarray(16, 22)], out: [...out.subarray(32, 38)], n: word(out, 3) };
  };
  const src = [0, 1, 2, 3, 4, 5];

  test("are written at a constant index, and the copied field stays", () => {
    expect(run("let m = w.src; m[5] ^= 0xff; w.n = m[5]; w.out = m;")).toEqual({ src, out: [0, 1, 2, 3, 4, 250], n: 250n });
    expect(run("let m = w.src; m[0] = u16(i) + 0x1ff; m[3]++; w.out = m;")).toMatchObject({ src, out: [2, 1, 2, 4, 4, 5] });
  });

  test("are written at a variable index", () => {
    expect(run("let m = local(bytes(6)); if (i < 6) m[i] = 9; w.out = m;").out).toEqual([0, 0, 0, 9, 0, 0]);
    expect(run("let m = bytes(6)(1, 2, 3, 4, 5, 6); for (let k = 0; k < 6; k++) m[k] *= 2; w.out = m;").out).toEqual([
      2, 4, 6, 8, 10, 12,
    ]);
  });

  test("are written on one path, and the array as a whole on another", () => {
    const statements = (n: number) =>
      `let m = w.src; if (i === ${n}) m[1] = 7; else m = bytes(6)(9); if (!m.equals(w.src)) w.n = 1; w.out = m;`;
    expect(run(statements(3))).toEqual({ src, out: [0, 7, 2, 3, 4, 5], n: 1n });
    expect(run(statements(4))).toEqual({ src, out: [9, 0, 0, 0, 0, 0], n: 1n });
  });

  test("are computed in a literal", () => {
    expect(run("w.out = bytes(6)(2, i, 0, u16(i) + 0x1ff, 0);").out).toEqual([2, 3, 0, 2, 0, 0]);
  });

  test("are exchanged through names for their places", () => {
    const out = run(
      "const a = ctx.at(bytes(6), 16);\n const b = ctx.at(bytes(6), 32);\n if (!a || !b) return XDP_DROP;\n b[1] = 8;\n swap(a, b);",
    );
    expect(out).toMatchObject({ src: [0, 8, 0, 0, 0, 0], out: src });
  });
});

test.each([
  ["const m = list.slots[0].owner; m[1] = 2;", "WS2026"],
  ["const m = local(bytes(6)); m[1] = 2;", "WS2026"],
  ["const m = local(bytes(6)); m[ctx.length] = 2;", "WS2080"],
  ["let m = local(bytes(6)); m[ctx.length] = 2;", "WS2080"],
  ["let m = local(bytes(6)); m[6] = 2;", "WS2009"],
  ["let m = local(bytes(6)); m[5] = 256;", "WS2085"],
])("what cannot be written is refused: %s", (statements, code) => {
  expect(() => compiled(DECLARATIONS + body("p", statements))).toThrow(code);
});
