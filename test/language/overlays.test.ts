/** Memory seen under several schemas, and whole structs and arrays compared, copied and exchanged, on the real kernel. */
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { HashMap, type LoadedObject, loadSpec } from "../../src/index.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { Vm } from "../../src/vm/index.ts";
import { frame, noKernel, PRELUDE, start, withoutKernel, word } from "../kernel.ts";

const file = resolve("test/example.bpf.ts");
const IMPORTS = 'import { arrayOf, equals, global, local, overlay, setting, swap, viewAs } from "wirescript/kernel";\n';
const overlaid = (text: string) => ({ overlay: new Map([[file, PRELUDE + IMPORTS + text]]) });

const DECLARATIONS = `
const Address = overlay({ v4: be32, v6: bytes(16), words: arrayOf(be16, 8) });
const Endpoint = struct({ family: u8, port: be16, address: Address });
const Swapped = struct({ family: u8, port: u16, address: Address });
const Pair = struct({ a: be16, b: u32 });
const HostPair = struct({ a: u16, b: u32 });
const Body = struct({ pad: u8, from: Endpoint, to: Endpoint, pairs: arrayOf(Pair, 3), numbers: arrayOf(u16, 4), more: arrayOf(u16, 4) });
const Word = struct({ in0: u64, out0: u64, out1: u64, out2: u64, out3: u64 });
export const seen = hash({ key: Endpoint, value: overlay({ count: u32, half: struct({ low: u16, high: u16 }) }), entries: 16 });
let shared: u64 = 11;
export const last = global(Endpoint, { family: 4, port: 53, address: { v4: 0x01020304 } });
`;

const PROGRAMS: Record<string, string> = {
  members: `w.out0 = body.from.address.v4; w.out1 = body.from.address.words[7]; body.to.address.v4 = 0x0a000001; body.to.address.words[in0 & 7] = 0xbeef;
     w.out2 = body.from.address.v6[15];`,
  keys: `seen.update({ family: 4, port: 80, address: { v4: 0x0a000001 } }, { count: 0x00020003 });
     const e = seen.lookup({ family: 4, port: 80, address: { v4: 0x0a000001 } }); if (!e) return XDP_ABORTED;
     w.out0 = e.half.high; e.half.low++; w.out1 = e.count;
     w.out2 = seen.lookup({ family: 4, port: 80, address: { v6: bytes(16)(10, 0, 0, 1) } }) ? 1 : 0;
     seen.update(body.from, { half: { low: 1, high: 0 } }); w.out3 = last.address.v4;`,
  literal: `const e = local(Endpoint, { family: 1, port: 2, address: { v4: 3 } }); w.out0 = e.address.words[1]; w.out1 = e.address.words[2] + e.address.words[7];
     body.to.address.v6 = e.address.v6; last.address.words[0] = 7; w.out2 = last.address.v4;`,
  compare: `w.out0 = equals(body.from, body.to) ? 1 : 0; body.to = body.from; w.out1 = equals(body.from, body.to) ? 1 : 0;
     w.out2 = equals(body.pairs[0], { a: 0x0102, b: 0x06050403 }) ? 1 : 0; w.out3 = equals(body.numbers, body.more) ? 1 : 0;`,
  exchange: `swap(body.from, body.to); swap(body.pairs[0], body.pairs[in0 % 3]); swap(body.numbers[0], body.more[1]); swap(shared, w.out0);
     const eth = ctx.at(Ethernet); if (eth) swap(eth.src, eth.dst); const l = local(arrayOf(u16, 4), [9, 8, 7, 6]); swap(l, body.more); w.out2 = l[0]; swap(w.out2, w.out3);`,
  orders: `const l = local(HostPair, body.pairs[0]); w.out0 = l.a; body.pairs[1] = l; w.out1 = body.pairs[1].a; w.out2 = equals(l, body.pairs[0]) ? 1 : 0; w.out3 = equals(body.pairs[0], l) ? 1 : 0;`,
  as: `const words = viewAs(body.from.address.v6, arrayOf(be16, 8)); w.out0 = words[3]; words[in0 & 7] = 1; const n = viewAs(body.pairs, struct({ a: be16 })); w.out1 = n.a;
     const l = local(arrayOf(u8, 7), [1, 2, 3, 4, 5, 6, 7]); w.out2 = viewAs(l, u32).value; w.out3 = viewAs(viewAs(l, struct({ x: u8, y: bytes(4) })).y, u32).value;`,
  destructure: `const { from, pairs } = body; const { address: { words }, port } = from; body.from.port = 1; w.out0 = port; w.out1 = from.port; words[0] = 5; w.out2 = body.from.address.v4 >> 16;
     function sum(list: View<typeof Pairs>): u64 { let s: u64 = 0; for (const { b } of list) s += b; return s; } w.out3 = sum(pairs);`,
};
const MODULE = `${DECLARATIONS}const Pairs = Body.fields.pairs;\n${Object.entries(PROGRAMS)
  .map(
    ([name, text]) =>
      `export const ${name} = xdp((ctx) => { const w = ctx.at(Word, 16); const body = ctx.at(Body, 64); if (!w || !body) return XDP_DROP; const in0 = w.in0;\n${text}\n w.in0 += in0 - in0; return XDP_TX; });`,
  )
  .join("\n")}`;

const AT = 64;
const SIZE = 1 + 19 + 19 + 18 + 16;
const packetOf = (in0: number) => {
  const packet = frame([BigInt(in0), 0n, 0n, 0n, 0n], AT + SIZE);
  for (let index = 0; index < SIZE; index++) packet[AT + index] = index;
  packet.set([1, 2, 3, 4, 5, 6], AT + 39);
  packet.set([1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
  return packet;
};

describe.skipIf(noKernel)(`overlays${withoutKernel}`, () => {
  let object: LoadedObject;
  let vm: Vm;
  beforeAll(() => {
    const { spec } = compile(file, overlaid(MODULE));
    object = loadSpec(spec);
    vm = new Vm(spec);
  });
  afterAll(() => object?.close());

  const run = (name: string, in0 = 0) => {
    const result = object.program(name).run(packetOf(in0));
    const other = vm.run(name, packetOf(in0));
    expect({ action: other.action, packet: [...other.packet] }).toEqual({ action: result.action, packet: [...result.packet] });
    expect(result.action).toBe(3);
    const body = result.packet.subarray(AT);
    const slice = (offset: number, length: number) => [...body.subarray(offset, offset + length)];
    return { packet: result.packet, outs: [1, 2, 3, 4].map((index) => Number(word(result.packet, index))), slice };
  };
  const counting = (from: number, length: number) => Array.from({ length }, (_, index) => from + index);

  test("are read and written through every member", () => {
    const { outs, slice } = run("members", 6);
    expect(outs).toEqual([0x04050607, 0x1213, 0x13, 0]);
    expect(slice(23, 16)).toEqual([10, 0, 0, 1, ...counting(27, 8), 0xbe, 0xef, 37, 38]);
  });

  test("in keys and values have the bytes that a literal leaves as zeros", () => {
    const map = object.map("seen", HashMap);
    expect(run("keys").outs).toEqual([2, 0x00020004, 1, 0x01020304]);
    const address = {
      v4: 0x0a000001,
      v6: Uint8Array.from([10, 0, 0, 1, ...new Array(12).fill(0)]),
      words: [0x0a00, 1, 0, 0, 0, 0, 0, 0],
    };
    expect([...map.entries()]).toContainEqual([
      { family: 4, port: 80, address },
      { count: 0x00020004, half: { low: 4, high: 2 } },
    ]);
    expect(map.get({ family: 4, port: 80, address: { v4: 0x0a000001 } })).toEqual({
      count: 0x00020004,
      half: { low: 4, high: 2 },
    });
    map.set({ family: 6, port: 1, address: { v6: new Uint8Array(16) } }, { half: { low: 1, high: 2 } });
    expect(map.get({ family: 6, port: 1, address: { v4: 0 } })).toMatchObject({ count: 0x20001 });
  });

  test("on the stack have no byte that nobody wrote", () => {
    const { outs, slice } = run("literal");
    expect(outs).toEqual([3, 0, 0x00070304, 0]);
    expect(slice(23, 16)).toEqual([0, 0, 0, 3, ...new Array(12).fill(0)]);
  });

  test("structs and arrays are compared", () => expect(run("compare").outs).toEqual([0, 1, 1, 0]));

  test("structs, arrays, elements and variables are exchanged", () => {
    const { packet, outs, slice } = run("exchange", 2);
    expect(slice(1, 38)).toEqual([...counting(20, 19), ...counting(1, 19)]);
    expect(slice(39, 18)).toEqual([...counting(51, 6), ...counting(45, 6), 1, 2, 3, 4, 5, 6]);
    expect(slice(57, 16)).toEqual([67, 68, ...counting(59, 6), 9, 0, 8, 0, 7, 0, 6, 0]);
    expect([...packet.subarray(0, 12)]).toEqual([2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1]);
    expect(outs).toEqual([11, 0, 0, 65 + 66 * 256]);
  });

  test("structs whose fields have other byte orders are copied and compared by value", () => {
    expect(run("orders").outs).toEqual([0x0102, 0x0102, 1, 1]);
  });

  test("any place is seen under a shorter schema", () => {
    const { outs, slice } = run("as", 2);
    expect(outs).toEqual([0x0a0b, 0x0102, 0x04030201, 0x05040302]);
    expect(slice(4, 8)).toEqual([4, 5, 6, 7, 0, 1, 10, 11]);
  });

  test("destructured fields are values, structs in them live views", () => {
    // `b` of the three pairs, the first of which the packet spells out.
    const sum = 0x06050403 + 0x32313000 + 0x2f + 0x38373635;
    expect(run("destructure").outs).toEqual([0x0203, 1, 5, sum]);
  });

  test("are unions in the object's types", () => {
    const { spec } = compile(file, overlaid(MODULE));
    const unions = readElf(writeElf(spec)).btf?.types.filter(({ kind }) => kind === "union");
    expect(unions?.map((type) => ("members" in type ? type.members.map(({ name }) => name) : []))).toContainEqual([
      "v4",
      "v6",
      "words",
    ]);
  });
});

describe("an overlay", () => {
  const program = (body: string) =>
    `${DECLARATIONS}export const p = xdp((ctx) => { const body = ctx.at(Body, 64); if (!body) return XDP_PASS; ${body} return XDP_PASS; });`;
  const codes = (body: string) => check(file, overlaid(program(body))).map(({ code }) => code);

  test("takes one member from a literal", () =>
    expect(codes("seen.delete({ family: 4, port: 80, address: { v4: 1, v6: bytes(16)(1) } });")).toEqual(["WS2082"]));
  test("has nothing but its members", () =>
    expect(codes("seen.delete({ family: 4, port: 80, address: { v5: 1 } });")).toEqual(["TS2353"]));
  test("is no longer than what it is seen in", () =>
    expect(codes("viewAs(body.from.address, arrayOf(u8, 17));")).toEqual(["WS2084"]));
});

test.skipIf(noKernel)(`storeBytes takes a literal of one member, and writes zeros behind it${withoutKernel}`, () => {
  using running = start(`import { overlay } from "wirescript/kernel";
    const Address = overlay({ v4: be32, v6: bytes(8) });
    export const p = xdp((ctx) => {
      ctx.storeBytes(4, struct({ port: be16, address: Address }), { port: 80, address: { v4: 0x0a000001 } });
      return XDP_PASS;
    });`);
  const { packet } = running.run(new Uint8Array(20).fill(0xff));
  expect(Buffer.from(packet).toString("hex")).toBe(`ffffffff${"0050"}${"0a000001"}${"00000000"}ffffffffffff`);
});
