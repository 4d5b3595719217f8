/** Modules that the fuzzer has found and the verifier refused, as small as it could make them: the kernel takes them. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { type CompileOptions, compile } from "../../src/compiler/compile.ts";
import { loadSpec } from "../../src/index.ts";
import { noKernel, withoutKernel } from "../kernel.ts";

const FILE = resolve("test/found.bpf.ts");
const NAMES = {
  kernel: `arrayOf, atomicAdd, be32, bits, byteSwap32, bytes, equals, global, i16, i64, i8, local, lruPerCpuHash, noinline, range, setting, struct, u16, u32, u64, u8,
    TC_ACT_OK, TC_ACT_UNSPEC, tc, XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, xdp, type TcContext, type View, type XdpContext`,
  net: "ethernetPayload, ipPayload",
};

const MODULES = {
  "a check of the packet's length in a loop that another one relies on": `
    const Item = struct({ f0: u32, f1: bits(8), f2: u8, f3: arrayOf(u64, 2), f4: bits(4), f5: bits(11), f6: bits(12), f7: bits(2), f8: bits(3), f9: u8 });
    const Out = struct({ o0: u64, o1: u64, o2: u64, o3: u64 });
    function walk(ctx: XdpContext, which: i64): u16 {
      for (const _ of range(280)) {
        const item = ctx.at(Item, 50);
        if (!item) return (which ^ 0);
        const word = (ctx.at(Item, item.f6)?.f3[(u64(which) % 2)] ?? 0);
      }
      return (which | which);
    }
    export const p = xdp((ctx) => {
      const ethernet = ethernetPayload(ctx);
      if (!ethernet) return XDP_PASS;
      const ip = ipPayload(ctx, 2048, 0);
      if (!ip) return XDP_PASS;
      const start = ctx.at(Item, 12);
      if (!start) return XDP_DROP;
      const live6 = start.f9;
      const live12 = start.f8;
      const live14 = (start.f8 * 933);
      const far = ctx.at(Item, start.f0);
      if (far) {
        switch (i8((start.f5 / ctx.length))) {
          case 6: {
            ctx.storeBytes((live6 * 4), Item, far);
            return XDP_ABORTED;
          }
        }
      }
      const near = ctx.at(Item, ethernet.offset);
      if (!near) return ((1 <= ip.offset) || (1 > live14)) ? XDP_TX : XDP_DROP;
      const { f8 } = start;
      const found = { a: 0, b: 0, inner: { c: walk(ctx, walk(ctx, f8)) } };
      const out = ctx.at(Out, 0);
      if (!out) return XDP_TX;
      out.o0 ^= (live12 * 31);
      return XDP_ABORTED;
    });`,
  "a struct of a caller's in a loop within a loop": `
    const Pair = struct({ f0: i16, f1: u16 });
    const limits = setting(Pair, { f0: 32767, f1: 31 });
    let total: u32 = 0;
    const shared = global(Pair);
    export const table = lruPerCpuHash({ key: Pair, value: Pair, entries: 256 });
    const search = noinline((ctx: TcContext, one: View<typeof Pair>, two: View<typeof Pair>, three: View<typeof Pair>): View<typeof Pair> | null => {
      for (const n of range(4)) {
        switch (0) {
          default: {
            if ((0 >= three.f0)) {
              if ((0 === shared.f1)) {
                continue;
              }
            }
          }
        }
        for (let m = 0; m < 3; m++) {
          const entry = table.lookup({ f0: 2, f1: 0 });
          if (entry) {
            const first = ctx.at(Pair, 0);
            if (first) {
              atomicAdd(total, ((limits.f0 > n) ? one.f0 : first.f0));
            }
          }
        }
      }
      return table.lookup({ f0: one.f0, f1: 0 });
    });
    export const p = tc.ingress((ctx) => {
      const start = ctx.at(Pair, 6);
      if (!start) {
        return (shared.f0 > 0) ? TC_ACT_UNSPEC : TC_ACT_OK;
      }
      const own = local(Pair, { f0: i16(0), f1: 0 });
      let found: i64 = (search(ctx, own, start, shared)?.f0 ?? i64(0));
      return TC_ACT_UNSPEC;
    });`,
  "two loops of which the outer one does nothing before the inner one": `
    const S1 = struct({ f0: arrayOf(i64, 4), f1: u32, f2: i8 });
    const S2 = struct({ f0: u64, f1: bits(16), f2: u8 });
    const setting0 = setting(bytes(6), bytes(6)(149, 243, 66, 119, 218, 46));
    let global1: u16 = 14;
    const fn0 = noinline((ctx: XdpContext, one: View<typeof S1>): void => {
      for (const n8 of range(198)) {
        for (const e9 of one.f0) {
          if ((ctx.length === 30)) {
            const v10 = local(S2, { f0: 0, f1: setting0[(0 % 6)], f2: u8((equals(one.f0, one.f0) ? one.f0[2] : one.f0[0])) });
          } else {
            one.f0 = one.f0;
          }
          const r11 = { a: (u64((i8(0) * (0 - 0))) + 0), b: (32767 / (equals(one.f0, one.f0) ? 0 : 0)), inner: { c: (u64((-(--global1))) + 0) } };
          const x12 = u64(byteSwap32(u32((one.f1 ^ (one.f1 * one.f1)))));
        }
      }
    });
    export const p = xdp((ctx) => {
      const start = ctx.at(S1, 9);
      if (!start) return XDP_DROP;
      fn0(ctx, start);
      return XDP_TX;
    });`,
};

/** Ways of compiling in which they were refused, and the usual one. */
const WAYS: CompileOptions[] = [{}, { cpu: 4 }, { disabledPasses: ["remove-trivial-phis"] }];

describe.skipIf(noKernel)(`what was refused once${withoutKernel}`, () => {
  test.each(Object.entries(MODULES))("%s", (_, text) => {
    const names = Object.entries(NAMES).map(([module, each]) => `import { ${each} } from "wirescript/${module}";\n`);
    for (const way of WAYS) {
      const { spec } = compile(FILE, { ...way, overlay: new Map([[FILE, names.join("") + text]]) });
      using object = loadSpec(spec);
      expect(object.program("p").info().id).toBeGreaterThan(0);
    }
  });
});
