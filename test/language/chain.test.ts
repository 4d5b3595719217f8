/** Programs put together: each part runs on the packet as the one before left it, until one answers otherwise. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check, compile } from "../../src/compiler/compile.ts";
import { loadSpec } from "../../src/index.ts";
import { Vm } from "../../src/vm/index.ts";
import { noKernel, withoutKernel } from "../kernel.ts";

const FILE = resolve("test/example.bpf.ts");
const PARTS = resolve("test/parts.bpf.ts");

const IMPORTS = `import {
  chain, perCpuArray, setting, u32, u64, tc, xdp, XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, TC_ACT_OK, TC_ACT_PIPE, TC_ACT_SHOT, TC_ACT_UNSPEC,
} from "wirescript/kernel";
import { Ethernet, EtherType } from "wirescript/net";
`;
const OTHER = `${IMPORTS}
export const seen = perCpuArray({ value: u64, entries: 1 });
export const count = xdp(() => {
  const counter = seen.lookup(0);
  if (counter) counter.value++;
  return XDP_PASS;
}, { section: "xdp_count", name: "count_func" });
/** Takes four bytes off the front. */
export const strip = xdp((ctx) => (ctx.adjustHead(4) ? XDP_PASS : XDP_ABORTED));
export const noArp = xdp((ctx) => (ctx.at(Ethernet)?.type === EtherType.ARP ? XDP_DROP : XDP_PASS));
`;
const HERE = `${IMPORTS}import { count, noArp, seen, strip } from "./parts.bpf.ts";\n`;

const overlay = (text: string) =>
  new Map([
    [FILE, HERE + text],
    [PARTS, OTHER],
  ]);
const specOf = (text: string) => compile(FILE, { overlay: overlay(text) }).spec;
const diagnose = (text: string) => check(FILE, { overlay: overlay(text) }).map(({ code }) => code);

const frame = (...types: number[]) => {
  const bytes = new Uint8Array(64);
  types.forEach((type, index) => {
    bytes[12 + 4 * index] = type >> 8;
    bytes[13 + 4 * index] = type & 0xff;
  });
  return bytes;
};
const [ARP, IPV4] = [0x0806, 0x0800];

describe.skipIf(noKernel)(`a chain of XDP programs${withoutKernel}`, () => {
  test("ends with the first verdict that is not XDP_PASS, else with the last", () => {
    const spec = specOf("const back = xdp(() => XDP_TX);\nexport const p = chain(count, noArp, back);\nexport { seen };");
    using object = loadSpec(spec);
    const vm = new Vm(spec);
    for (const [type, action] of [
      [ARP, 1],
      [IPV4, 3],
    ] as const) {
      expect(object.program("p").run(frame(type)).action).toBe(action);
      expect(vm.run("p", frame(type)).action).toBe(action);
    }
    expect(spec.programs.map(({ name, section }) => [name, section])).toEqual([["p", "xdp"]]);
  });

  test("gives each part the packet as the one before left it", () => {
    using object = loadSpec(specOf("export const p = chain(noArp, strip, noArp, strip, noArp);"));
    for (const [types, action, length] of [
      [[IPV4, IPV4, IPV4], 2, 56],
      [[IPV4, IPV4, ARP], 1, 56],
      [[IPV4, ARP, IPV4], 1, 60],
      [[ARP, IPV4, IPV4], 1, 64],
    ] as const) {
      const result = object.program("p").run(frame(...types));
      expect([result.action, result.packet.length]).toEqual([action, length]);
    }
  });

  test("asks goOn, and has a name and a section of its own", () => {
    const spec = specOf(`
      const limit = setting(u32, 60);
      const drop = xdp((ctx) => (ctx.length > limit ? XDP_DROP : XDP_ABORTED));
      export const p = chain(drop, strip, { name: "both", section: "xdp_both", goOn: (action) => action === XDP_DROP });`);
    expect(spec.programs.map(({ name, section }) => [name, section])).toEqual([["both", "xdp_both"]]);
    using object = loadSpec(spec);
    expect(object.program("both").run(frame(IPV4))).toMatchObject({ action: 2 });
    expect(object.program("both").run(frame(IPV4).subarray(0, 60))).toMatchObject({ action: 0 });
  });

  test("may be part of a chain, and costs nothing more than its parts", () => {
    const spec = specOf("export const nested = chain(chain(noArp, noArp), chain(noArp));\nexport { noArp };");
    const [nested, plain] = spec.programs.map(({ functions: [entry] }) => entry?.instructions.length);
    expect(nested).toBe(plain);
    using object = loadSpec(spec);
    expect(object.program("nested").run(frame(ARP)).action).toBe(1);
  });
});

describe.skipIf(noKernel)(`a chain of TC programs${withoutKernel}`, () => {
  test.each([
    ["TC_ACT_OK", 2],
    ["TC_ACT_UNSPEC", 2],
    ["TC_ACT_PIPE", 2],
    ["ctx.redirect(1)", 7],
  ])("goes on after %s: %i", (verdict, action) => {
    using object = loadSpec(
      specOf(`const first = tc.ingress((ctx) => ${verdict});
        const second = tc.ingress(() => TC_ACT_SHOT);
        export const p = chain(first, second);`),
    );
    expect(object.program("p").run(frame(IPV4)).action).toBe(action);
  });
});

test("programs of two hooks are not put together, nor what is no program, nor one that a function made", () => {
  const egress = "const out = tc.egress(() => TC_ACT_OK);";
  expect(diagnose(`${egress} export const p = chain(count, out);`)).toEqual(["TS2769"]);
  expect(diagnose(`${egress} export const p = chain(tc.ingress(() => TC_ACT_OK), out);`)).toEqual(["TS2769"]);
  expect(diagnose("export const p = chain(count, 7);")).toEqual(["WS3060"]);
  expect(diagnose("const make = () => xdp(() => XDP_PASS);\nexport const p = chain(make(), count);")).toEqual(["WS3060"]);
  expect(diagnose("export const p = chain(count, noArp, { section: 'tc' });")).toEqual(["WS3008"]);
});
