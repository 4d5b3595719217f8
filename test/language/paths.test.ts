/** Functions in which many independent decisions come together: the verifier must not have to walk every combination of them. */
import { describe, expect, test } from "vitest";
import { Vm } from "../../src/vm/index.ts";
import { noKernel, start, withoutKernel } from "../kernel.ts";

/** `count` flags that bits of the input set, each compared with bits of another number in the end. */
function flags(count: number): string {
  const each = (line: (index: number) => string) => Array.from({ length: count }, (_, index) => line(index)).join("\n");
  return `const InOut = struct({ set: u64, against: u64, out: u64 });
    export const p = xdp((ctx) => {
      const io = ctx.at(InOut, 16);
      if (!io) return XDP_DROP;
      const set = io.set;
      const against = io.against;
      ${each((index) => `let f${index}: u64 = 0; if ((set >> ${index}) & 1) f${index} = ${index % 2 === 0 ? index + 3 : `u64(0x1234567800000000n) + ${index}`};`)}
      let sum: u64 = 0;
      ${each((index) => `if (f${index} > ((against >> ${index}) & 7)) sum += ${index + 1};`)}
      io.out = sum;
      return sum > 20 ? XDP_DROP : XDP_PASS;
    });`;
}

function expected(count: number, set: bigint, against: bigint): bigint {
  let sum = 0n;
  for (let index = 0n; index < count; index++) {
    const flag = ((set >> index) & 1n) === 0n ? 0n : index % 2n === 0n ? index + 3n : 0x1234567800000000n + index;
    if (flag > ((against >> index) & 7n)) sum += index + 1n;
  }
  return sum;
}

describe.skipIf(noKernel)(`many decisions${withoutKernel}`, () => {
  test.each([4, 12, 20, 48])("%i flags that are set on the way and tested at the end", (count) => {
    using running = start(flags(count));
    const vm = new Vm(running.object.spec);
    const packet = new Uint8Array(64);
    const view = new DataView(packet.buffer);
    for (const set of [0n, (1n << 48n) - 1n, 0xaaaaaaaaaaaan, 0x5a5a1234cdefn]) {
      for (const against of [0n, 0x123456789abcdefn, (1n << 64n) - 1n]) {
        view.setBigUint64(16, set, true);
        view.setBigUint64(24, against, true);
        const out = expected(count, set, against);
        const action = out > 20n ? 1 : 2;
        const result = running.run(packet);
        expect(result.action).toBe(action);
        expect(new DataView(result.packet.buffer, result.packet.byteOffset).getBigUint64(32, true)).toBe(out);
        expect(vm.run("p", packet).action).toBe(action);
      }
    }
  });

  test("a long loop that finds out in each round how long the packet is", () => {
    const text = `const Wide = struct({ a: u64, b: be64 });
      export const p = xdp((ctx) => {
        const first = ctx.at(Wide, 7);
        if (!first) return XDP_DROP;
        for (let i = 5; i < 239; i++) {
          const last: u16 = u16(ctx.at(Wide, i & 63)?.b ?? ctx.length);
          if (ctx.at(Wide, first.a & 0xff)) first.b ^= last;
        }
        return XDP_PASS;
      });`;
    using running = start(text);
    expect(running.run(new Uint8Array(64)).action).toBe(2);
  });

  test("a long loop that finds out in some rounds how long the packet is, and ends where it is too short", () => {
    const text = `const Wide = struct({ a: u64, b: be64 });
      export const p = xdp((ctx) => {
        for (let i = 0; i < 700; i++) {
          if (getPrandomU32() > i && !ctx.at(Wide, (i & 255) + 20)) return XDP_DROP;
        }
        return XDP_PASS;
      });`;
    using running = start(text);
    expect(running.run(new Uint8Array(300)).action).toBe(2);
    expect(running.run(new Uint8Array(20)).action).toBe(1);
  });

  test("keys of many comparisons, one after the other", () => {
    const list = (from: number) => Array.from({ length: 12 }, (_, index) => `io.a[${from + index}] > 5`).join(", ");
    const text = `import { arrayOf } from "wirescript/kernel";
      const Key = struct({ flags: arrayOf(bool, 12) });
      const InOut = struct({ a: arrayOf(u8, 24) });
      export const seen = hash({ key: Key, value: u32, entries: 16 });
      export const p = xdp((ctx) => {
        const io = ctx.at(InOut, 0);
        if (!io) return XDP_DROP;
        const first = seen.lookup({ flags: [${list(0)}] });
        const other = seen.lookup({ flags: [${list(12)}] });
        return first || other ? XDP_DROP : XDP_PASS;
      });`;
    using running = start(text);
    expect(running.run(new Uint8Array(64)).action).toBe(2);
  });

  test("keys of comparisons between numbers of 64 bits", () => {
    const list = (from: number) => Array.from({ length: 12 }, (_, index) => `io.a[${from + index}] > io.b`).join(", ");
    const text = `import { arrayOf } from "wirescript/kernel";
      const Key = struct({ flags: arrayOf(bool, 12) });
      const InOut = struct({ a: arrayOf(u64, 24), b: u64 });
      export const seen = hash({ key: Key, value: u32, entries: 16 });
      export const p = xdp((ctx) => {
        const io = ctx.at(InOut, 0);
        if (!io) return XDP_DROP;
        const first = seen.lookup({ flags: [${list(0)}] });
        const other = seen.lookup({ flags: [${list(12)}] });
        return first || other ? XDP_DROP : XDP_PASS;
      });`;
    using running = start(text);
    expect(running.run(new Uint8Array(256)).action).toBe(2);
  });

  test("a function with a long loop that loops call", () => {
    const text = `import { arrayOf, global, noinline } from "wirescript/kernel";
      const Pair = struct({ a: u32, b: i64 });
      const Table = struct({ rows: arrayOf(u8, 4), n: i16 });
      const table = global(Table);
      const fill = noinline((ctx: XdpContext, seed: i64): i16 => {
        for (let i = -1; i < 293; i += 2) {
          table.rows[u64(seed + i) % 3] %= 63 >>> (u64(seed) >>> table.n);
          const pair = ctx.at(Pair, 6);
          if (pair) table.n = i16(ctx.at(Pair, u16(table.n))?.b ?? 7);
        }
        return table.n;
      });
      export const p = xdp((ctx) => {
        let sum = 0;
        for (const row of table.rows) for (const other of table.rows) sum += fill(ctx, row * other);
        return sum === 0x1234567 ? XDP_DROP : XDP_PASS;
      });`;
    using running = start(text);
    expect(running.run(new Uint8Array(64)).action).toBe(2);
  });
});
