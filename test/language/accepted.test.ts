/** Programs that the compiler accepted and the verifier did not, or that crashed the compiler: found by `npm run fuzz`, made small. */
import { describe, expect, test } from "vitest";
import { PASSES } from "../../src/compiler/passes/pipeline.ts";
import { frame, noKernel, runOnce } from "../kernel.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;

describe.skipIf(noKernel !== null)(`what compiles, loads${reason}`, () => {
  test("a NUL in a comment, on a line that the object quotes", () => {
    const body = "const first = ctx.at(u8, 0); // a\0b\n  return first ? XDP_TX : XDP_PASS;";
    expect(runOnce(body, frame([], 64)).action).toBe(3);
  });

  test("an offset that was shifted by an amount that the verifier does not know", () => {
    for (const shift of [">>", ">>>"]) {
      const body = `const start = ctx.at(u8, 2);
        if (!start) return XDP_DROP;
        return ctx.at(u32, start.value ${shift} (start.value & 3)) ? XDP_TX : XDP_PASS;`;
      expect(runOnce(body, frame([], 64)).action).toBe(3);
    }
  });

  test("a null check behind a test that some paths pass by, with each pass off", () => {
    const declarations = `
      import { setting } from "wirescript/kernel";
      const chosen = setting(u64, 4294967295);
      export const m = perCpuHash({ key: u32, value: u32, entries: 1 });
      function either(ctx: XdpContext, first: number, second: number): View<typeof u8> | null {
        const found = ctx.at(u8, first);
        if (found) return found;
        return ctx.at(u8, second);
      }
      function code(ctx: XdpContext, n: u64): u16 {
        if (n) {
          const offset = m.lookup(5);
          if (!offset) return 0;
          const found = either(ctx, offset.value, 38);
          if (!found) return 25;
        }
        return 3;
      }`;
    const body = `if (chosen === 1) code(ctx, chosen);
      const result = code(ctx, chosen);
      const out = ctx.at(u64, 29);
      if (!out) return result === 0 ? XDP_PASS : XDP_ABORTED;
      return XDP_TX;`;
    for (const disabled of [[], ...PASSES.map(({ name }) => [name])]) {
      const { action } = runOnce(body, frame([], 64), declarations, { disabledPasses: disabled });
      expect(action, `without ${disabled}`).toBe(3);
    }
  });

  test("the packet's length compared with an offset at which it was read, or is still", () => {
    const declarations = `import { setting } from "wirescript/kernel";
      const Both = struct({ low: bits(6), high: bits(10) });
      const none = setting(u8, 0);
      export const offsets = array({ value: u8, entries: 4 });`;
    const atStart = `const start = ctx.at(Both);
      if (!start) return XDP_DROP;
      start.low = 0;
      if (ctx.length > start.low || none !== 0) return XDP_PASS;
      return start.high === 5 ? XDP_TX : XDP_ABORTED;`;
    const behind = `const offset = offsets.lookup(0);
      if (!offset) return XDP_DROP;
      const view = ctx.at(u64, offset.value);
      if (view && !(ctx.length <= offset.value && none === 0)) return view.value === 0 ? XDP_PASS : XDP_ABORTED;
      return XDP_TX;`;
    for (const body of [atStart, behind]) {
      for (const disabled of [[], ...PASSES.map(({ name }) => [name])]) {
        const { action } = runOnce(body, frame([], 64), declarations, { disabledPasses: disabled });
        expect(action, `without ${disabled}`).toBe(2);
      }
    }
  });

  test("a boolean that tests before have left no value, as TypeScript sees it", () => {
    const declarations = "const Flags = struct({ up: bool });";
    const body = `const flags = ctx.at(Flags);
      if (!flags) return XDP_DROP;
      if (flags.up || !flags.up) return XDP_TX;
      const never = flags.up && ctx.length > 60;
      return never ? XDP_PASS : XDP_ABORTED;`;
    expect(runOnce(body, frame([], 64), declarations).action).toBe(3);
  });

  test("a view that was found to be there, in a function of its own, in a loop", () => {
    const declarations = `import { local, noinline } from "wirescript/kernel";
      const Pair = struct({ a: u32, b: u8 });
      const second = noinline((ctx: XdpContext, pair: View<typeof Pair>): u8 => local(Pair, pair).b);`;
    const body = `const start = ctx.at(Pair, 8);
      if (!start) return XDP_DROP;
      for (let i = 0; i < 8; i++) {
        const found = start.b === 0 ? ctx.at(Pair, second(ctx, start)) : ctx.at(Pair);
        if (!found) return XDP_PASS;
      }
      return XDP_TX;`;
    expect(runOnce(body, frame([], 64), declarations).action).toBe(3);
  });

  test("an index that is the remainder of a loop's counter", () => {
    const declarations = `import { arrayOf } from "wirescript/kernel";
      const List = struct({ words: arrayOf(be16, 3) });`;
    const body = `let sum = 0;
      for (let i = 0; i < 324; i += 3) {
        const list = ctx.at(List);
        if (!list) return XDP_DROP;
        sum += list.words[i % 3];
      }
      return sum === 0 ? XDP_TX : XDP_PASS;`;
    expect(runOnce(body, frame([], 64), declarations).action).toBe(3);
  });

  test("two long loops that use one place on the stack", () => {
    const declarations = `export const m = hash({ key: be32, value: u32, entries: 8 });
      const four = bytes(4);
      function work(seed: u64): u64 {
        let sum = seed;
        for (const i of range(300)) {
          const found = m.lookup(u32(sum & 7));
          if (found) sum += csumDiff(four(1, 2, 3, 4), four(), 0);
          if (sum & 1) sum += i;
          if (sum & 2) sum ^= 5;
        }
        return sum;
      }`;
    const body = `const first = work(1);
      const second = work(first & 0xff);
      return first + second > 0 ? XDP_TX : XDP_PASS;`;
    expect(runOnce(body, frame([], 64), declarations).action).toBe(3);
    expect(runOnce(body, frame([], 64), declarations, { disabledPasses: PASSES.map(({ name }) => name) }).action).toBe(3);
  });

  test("a view that is tested again far behind its check", () => {
    const declarations = `import { noinline } from "wirescript/kernel";
      const Wide = struct({ a: be16, list: bytes(12), b: be64 });
      const again = noinline((ctx: XdpContext): View<typeof Wide> | null => ctx.at(Wide, 0));`;
    const body = `const view = ctx.at(Wide, 30);
      if (!view) return XDP_PASS;
      for (let i = 0; i < 3; i++) {
        if (again(ctx)) {
          const n = view?.b ?? u64(csumDiff(null, bytes(4)(1), 0));
          view.b = n + 1;
        }
      }
      return view.b === 3 ? XDP_TX : XDP_DROP;`;
    expect(runOnce(body, frame([], 64), declarations).action).toBe(3);
    for (const { name } of PASSES)
      expect(runOnce(body, frame([], 64), declarations, { disabledPasses: [name] }).action, name).toBe(3);
  });

  test("an index that a long loop checked, behind it and in the next one", () => {
    const declarations = `import { arrayOf, setting } from "wirescript/kernel";
      const List = struct({ words: arrayOf(u32, 5) });
      const which = setting(u16, 1);`;
    const round = (bit: number, end: number) => `
      sum += list.words[which % 5];
      if (sum & ${bit}) sum += i;
      if (sum & ${bit * 2}) sum ^= 5;
      if (sum === ${end}) return XDP_PASS;`;
    const body = `const list = ctx.at(List, 14);
      if (!list) return XDP_DROP;
      let sum = 0;
      for (let i = 0; i < 120; i++) {${round(1, 77777)}}
      for (let i = 0; i < 90; i++) {${round(4, 88888)}}
      return list.words[which % 5] === 0 ? XDP_TX : XDP_PASS;`;
    expect(runOnce(body, frame([], 64), declarations).action).toBe(3);
    expect(runOnce(body, frame([], 64), declarations, { disabledPasses: PASSES.map(({ name }) => name) }).action).toBe(3);
  });

  test("an index that is the same in all rounds of a long loop, which is left where it was compared", () => {
    const declarations = `import { arrayOf } from "wirescript/kernel";
      const List = struct({ words: arrayOf(u32, 4) });
      let which: u32 = 0;`;
    for (const [condition, index] of [
      ["d < 4", "d"],
      ["d > 2 && d < 7", "d - 3"],
    ]) {
      const body = `const list = ctx.at(List, 14);
        if (!list) return XDP_DROP;
        const d = which;
        let sum = 0;
        for (let i = 0; i < 400; i++) {
          if (sum & 1) sum += i;
          if (sum & 2) sum ^= 5;
          if (${condition}) {
            if (sum === 7_777_777 + i) break;
            if (i > 300) return list.words[${index}] === 0 ? XDP_TX : XDP_ABORTED;
          }
          sum += 1;
        }
        return XDP_PASS;`;
      for (const disabled of [[], PASSES.map(({ name }) => name)]) {
        const { action } = runOnce(body, frame([], 64), declarations, { disabledPasses: disabled });
        expect(action, `${index} without ${disabled}`).toBe(index === "d" ? 3 : 2);
      }
    }
  });

  test("an array of a function's own that a function which it calls writes to, where the program keeps addresses on its stack", () => {
    const declarations = `import { arrayOf, local, noinline } from "wirescript/kernel";
      const List = struct({ words: arrayOf(u64, 4) });
      export const m = array({ value: u64, entries: 4 });
      const put = noinline((list: View<typeof List>, i: u64): u64 => {
        list.words[i % 4] = 5;
        list.words[(i >> 4) % 4] = i;
        return list.words[(i >> 8) % 4];
      });
      const both = noinline((n: u64): u64 => {
        const list = local(List);
        return put(list, n) + put(list, n + 1);
      });`;
    const body = `const a = m.lookup(0);
      const b = m.lookup(1);
      const c = m.lookup(2);
      const d = m.lookup(3);
      const e = ctx.at(u64, 8);
      const f = ctx.at(u64, ctx.length & 7);
      if (!a || !b || !c || !d || !e || !f) return XDP_DROP;
      const n = both(ctx.length);
      a.value = n;
      b.value = n;
      c.value = n;
      d.value = n;
      e.value = n;
      f.value = n;
      return XDP_TX;`;
    expect(runOnce(body, frame([], 64), declarations).action).toBe(3);
  });

  test("an index that is less than the counter of a long loop, on a way out of it", () => {
    const declarations = `import { arrayOf } from "wirescript/kernel";
      const List = struct({ words: arrayOf(u32, 5) });`;
    const body = `const list = ctx.at(List, 14);
      if (!list) return XDP_DROP;
      let sum = 0;
      for (let i = 0; i < 120; i++) {
        for (let j = 3; j < 8; j++) {
          if (sum & 1) sum += i;
          if (sum & 2) sum ^= 5;
          if (sum & 4) sum ^= j;
          if (sum === 77777 + i) return list.words[j - 3] === 0 ? XDP_PASS : XDP_ABORTED;
          sum += 1;
          if (sum & 1) sum += list.words[4 & i];
          if (sum & 16) sum += list.words[4 & i];
          if (sum & 32) sum += list.words[4 & j];
          if (sum & 64) sum += list.words[4 & j];
        }
      }
      return XDP_TX;`;
    expect(runOnce(body, frame([], 64), declarations).action).toBe(3);
    expect(runOnce(body, frame([], 64), declarations, { disabledPasses: PASSES.map(({ name }) => name) }).action).toBe(3);
  });

  test("a view closer to the packet's start where a farther one is not there", () => {
    const declarations =
      "const Far = struct({ head: bytes(84), tail: u32 });\nconst Near = struct({ pad: bytes(5), port: be16 });";
    const body = `let result: u64 = 0;
      for (let i = 0; i < 2; i++) {
        if (!ctx.at(Far, i)) {
          const near = ctx.at(Near);
          if (near?.port === 7) result += 1;
        }
      }
      return result === 2 ? XDP_TX : XDP_DROP;`;
    const packet = frame([], 64);
    packet[6] = 7;
    for (const disabled of [[], ...PASSES.map(({ name }) => [name])]) {
      expect(runOnce(body, packet, declarations, { disabledPasses: disabled }).action, `without ${disabled}`).toBe(3);
    }
  });

  test("a length that turns out to be compared with 0", () => {
    const declarations =
      'import { setting } from "wirescript/kernel";\nconst zero = setting(u8, 63);\nexport const seen = array({ value: u8, entries: 2 });';
    const body = `const start = ctx.at(u32, 15);
      if (!start) return XDP_DROP;
      if (ctx.length >= (zero ^ i64(zero))) seen.update(1, 7);
      start.value = 0;
      return XDP_TX;`;
    expect(runOnce(body, frame([], 64), declarations).action).toBe(3);
  });

  test("a number of what a function found or did not find in the packet, with each pass off", () => {
    const declarations = `import { noinline } from "wirescript/kernel";
      const Five = struct({ a: u32, b: u8 });
      const find = noinline((ctx: XdpContext, _: u8): View<typeof Five> | null => ctx.at(Five));
      let count: u64 = 0;`;
    const body = `const there = find(ctx, 0) !== null;
      if (count === 4) find(ctx, u8(ctx.length & 1));
      const out = ctx.at(u64, 36);
      if (!out) return XDP_ABORTED;
      out.value = 1 ^ (there ? 1 : 0);
      return there ? XDP_TX : XDP_PASS;`;
    for (const { name } of PASSES)
      expect(runOnce(body, frame([], 64), declarations, { disabledPasses: [name] }).action, name).toBe(3);
  });
});
