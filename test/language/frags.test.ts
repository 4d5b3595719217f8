/** Bytes of the packet wherever they lie: copies, and frames in several buffers. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { loadSpec } from "../../src/index.ts";
import { Vm } from "../../src/vm/index.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import { hex } from "../packets/index.ts";

const FILE = resolve("test/example.bpf.ts");
const PRELUDE = `import {
  array, be16, be32, bytes, chain, local, noinline, struct, tc, u16, u32, u64, u8, xdp, XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, type PacketContext,
  TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC,
} from "wirescript/kernel";
import { Ethernet, mac } from "wirescript/net";
`;

const overlay = (text: string) => new Map([[FILE, PRELUDE + text]]);
const diagnose = (text: string) => check(FILE, { overlay: overlay(text) }).map(({ code }) => code);
const numbered = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251);

/** Runs the program `p` of the module in the kernel, and in the interpreter, which must agree. */
function run(text: string, packet: Uint8Array) {
  const { spec } = compile(FILE, { overlay: overlay(text) });
  using object = loadSpec(spec);
  const kernel = object.program("p").run(packet);
  const ours = new Vm(spec).run("p", packet);
  expect([ours.action, hex(ours.packet)]).toEqual([kernel.action, hex(kernel.packet)]);
  return kernel;
}

/** The same body for both hooks; `drop` and `pass` are their verdicts. */
const BOTH = [
  ["xdp", "XDP_DROP", "XDP_PASS", 2],
  ["tc.ingress", "TC_ACT_SHOT", "TC_ACT_OK", 0],
] as const;

describe.skipIf(noKernel).each(BOTH)(`copies on %s${withoutKernel}`, (hook, drop, verdict, pass) => {
  const module = (body: string) =>
    `const drop = ${drop};\nconst pass = ${verdict};\nexport const p = ${hook}((ctx) => {${body}});`;

  test("are of what is there, also behind the end of what is checked, and null beyond the packet", () => {
    const body = `
      const pair = ctx.loadBytes(ctx.length - 6, struct({ a: be16, b: be32 }));
      if (!pair || pair.a !== 0x3a3b || pair.b !== 0x3c3d3e3f) return drop;
      if (ctx.loadBytes(ctx.length - 5, struct({ a: be16, b: be32 }))) return drop;
      return ctx.loadBytes(63, u8)?.value === 63 ? pass : drop;`;
    expect(run(module(body), numbered(64)).action).toBe(pass);
  });

  test("do not change when the packet does, and can be changed without it", () => {
    const body = `
      const copy = ctx.loadBytes(0, Ethernet);
      const eth = ctx.at(Ethernet);
      if (!copy || !eth) return drop;
      eth.type = 7;
      copy.dst = copy.src;
      return copy.type === 0x0c0d && eth.dst[0] === 0 && copy.dst[0] === 6 ? pass : drop;`;
    expect(run(module(body), numbered(64)).action).toBe(pass);
  });

  test("are stored from literals, numbers, views of the packet, and elements of maps", () => {
    const body = `
      const eth = ctx.at(Ethernet);
      if (!eth) return drop;
      if (!ctx.storeBytes(20, mac, eth.src)) return drop;
      if (!ctx.storeBytes(ctx.length - 4, be32, 0x01020304)) return drop;
      if (!ctx.storeBytes(30, struct({ a: u8, b: be16 }), { a: 9, b: 0x0a0b })) return drop;
      const kept = table.lookup(1);
      if (!kept || !ctx.storeBytes(40, struct({ a: be32, b: be32 }), kept)) return drop;
      return ctx.storeBytes(ctx.length - 3, be32, 1) ? drop : pass;`;
    const expected = numbered(64);
    expected.set([6, 7, 8, 9, 10, 11], 20);
    expected.set([1, 2, 3, 4], 60);
    expected.set([9, 10, 11], 30);
    expected.set(new Uint8Array(8), 40);
    const table = "export const table = array({ value: struct({ a: be32, b: be32 }), entries: 2 });\n";
    const { action, packet } = run(table + module(body), numbered(64));
    expect([action, hex(packet)]).toEqual([pass, hex(expected)]);
  });
});

test.skipIf(noKernel)(`views live on when bytes are stored on XDP, and die on TC${withoutKernel}`, () => {
  const body = `
    const eth = ctx.at(Ethernet);
    if (!eth || !ctx.storeBytes(0, mac, mac(9, 8, 7))) return drop;
    return eth.dst.equals(mac(9, 8, 7)) && eth.type === 0x0c0d ? pass : drop;`;
  const module = (hook: string, drop: string, pass: string) =>
    `const drop = ${drop};\nconst pass = ${pass};\nexport const p = ${hook}((ctx) => {${body}});`;
  expect(run(module("xdp", "XDP_DROP", "XDP_PASS"), numbered(64)).action).toBe(2);
  expect(diagnose(module("tc.egress", "TC_ACT_SHOT", "TC_ACT_OK"))).toContain("WS2022");
});

describe.skipIf(noKernel)(`frames in several buffers${withoutKernel}`, () => {
  const frags = (body: string) => `export const p = xdp((ctx) => {${body}}, { frags: true });`;

  test("are as long as all of them together, of which at reaches the first", () => {
    const body = frags(`
      if (ctx.length !== 9000 || ctx.linearLength >= 4096) return XDP_ABORTED;
      if (ctx.at(u8, 8000)) return XDP_DROP;
      const far = ctx.loadBytes(8000, struct({ a: u8, b: u8 }));
      return far && far.a === ${8000 % 251} && far.b === ${8001 % 251} ? XDP_TX : XDP_PASS;`);
    expect(run(body, numbered(9000)).action).toBe(3);
  });

  test("are written across the border of two buffers", () => {
    const body = frags(`
      const edge = ctx.linearLength - 3;
      if (!ctx.storeBytes(edge, mac, mac(1, 2, 3, 4, 5, 6))) return XDP_DROP;
      const back = ctx.loadBytes(edge, mac);
      return back?.equals(mac(1, 2, 3, 4, 5, 6)) ? XDP_TX : XDP_PASS;`);
    expect(run(body, numbered(9000)).action).toBe(3);
  });

  test("are for programs that ask for them, in their section", () => {
    const sections = (text: string) => compile(FILE, { overlay: overlay(text) }).spec.programs.map(({ section }) => section);
    expect(sections(frags("return XDP_PASS;"))).toEqual(["xdp.frags"]);
    expect(sections('export const p = xdp(() => XDP_PASS, { section: "xdp.frags/a" });')).toEqual(["xdp.frags/a"]);
    expect(sections("const a = xdp(() => XDP_PASS); export const p = chain(a, a, { frags: true });")).toEqual(["xdp.frags"]);
    expect(diagnose('export const p = xdp(() => XDP_PASS, { frags: true, section: "xdp" });')).toEqual(["WS3008"]);
    expect(diagnose("export const p = tc.ingress(() => TC_ACT_OK, { frags: true });")).toEqual(["TS2353"]);
  });
});
