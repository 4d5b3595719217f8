/** Control flow, null, functions, maps: paths that meet carry the right values. */

import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check } from "../../src/compiler/compile.ts";
import { frame, noKernel, PRELUDE, runOnce, start, withoutKernel, word } from "../kernel.ts";

/** Runs `body` for each input; `input` and `out` are u64s in the packet. */
function results(body: string, inputs: readonly bigint[], declarations = ""): bigint[] {
  using running = start(
    `${declarations}
     const InOut = struct({ input: u64, out: u64 });
     export const p = xdp((ctx) => {
       const io = ctx.at(InOut, 16);
       if (!io) return XDP_DROP;
       const input = io.input;
       ${body}
       return XDP_PASS;
     });`,
  );
  return inputs.map((input) => word(running.run(frame([input, 0n], 64)).packet, 1));
}

const range = (count: number) => Array.from({ length: count }, (_, index) => BigInt(index));

describe.skipIf(noKernel)(`control flow${withoutKernel}`, () => {
  test("switch: fallthrough, default in the middle, break, return", () => {
    const body = `let r = 0;
      switch (input) {
        case 1: r += 1;
        case 2: r += 10; break;
        default: r += 100;
        case 3: r += 1000; break;
        case 4: io.out = 77; return XDP_PASS;
      }
      io.out = r;`;
    expect(results(body, range(6))).toEqual([1100n, 11n, 10n, 1000n, 77n, 1100n]);
  });

  test("loops: unrolled and not, nested, up and down, break and continue, early return", () => {
    const body = `let sum = 0;
      for (let i = 0; i < 5; i++) {
        if (i === 1) continue;
        for (let j = 10; j > 0; j -= 3) {
          if (j === input) break;
          sum += i * j;
        }
        if (i === 3) break;
      }
      for (let i = 0; i < 1000; i++) {
        if (i === 900) break;
        if (i % 2 === 1) continue;
        sum += i;
      }
      for (const i of range(3, 6)) sum += i * 100000;
      for (let i = 5; i < 5; i++) sum = 0;
      io.out = sum;`;
    const expected = range(12).map((input) => {
      let sum = 0;
      for (let i = 0; i < 5; i++) {
        if (i === 1) continue;
        for (let j = 10; j > 0; j -= 3) {
          if (BigInt(j) === input) break;
          sum += i * j;
        }
        if (i === 3) break;
      }
      for (let i = 0; i < 900; i += 2) sum += i;
      return BigInt(sum + 1200000);
    });
    expect(results(body, range(12))).toEqual(expected);
  });

  test("a loop with signed and unsigned bounds runs as often as it says", () => {
    const body = `let n = 0;
      for (let i = -300; i <= 300; i += 7) n++;
      for (let i = 3000; i >= 1; i -= 13) n++;
      for (let i = 0; i !== 2000; i += 4) n++;
      for (let i = 400; 0 < i; i--) n++;
      io.out = n;`;
    expect(results(body, [0n])).toEqual([BigInt(86 + 231 + 500 + 400)]);
  });

  test("conditions: &&, ||, ! and ?: in every nesting", () => {
    const body = `const a = (input & 1) !== 0, b = (input & 2) !== 0, c = (input & 4) !== 0;
      let r = 0;
      if (a && (b || !c)) r |= 1;
      if (!(a && b) || c) r |= 2;
      const d = a ? b && c : b || c;
      if (d) r |= 4;
      r |= (a === b ? 8 : 0) + (c ? (a ? 16 : 32) : 64);
      io.out = r;`;
    const expected = range(8).map((input) => {
      const a = (input & 1n) !== 0n;
      const b = (input & 2n) !== 0n;
      const c = (input & 4n) !== 0n;
      let r = 0;
      if (a && (b || !c)) r |= 1;
      if (!(a && b) || c) r |= 2;
      if (a ? b && c : b || c) r |= 4;
      return BigInt(r | ((a === b ? 8 : 0) + (c ? (a ? 16 : 32) : 64)));
    });
    expect(results(body, range(8))).toEqual(expected);
  });

  test("functions: results of many paths, callbacks, closures, defaults, generics", () => {
    const declarations = `
      function classify(n: u64, big: u64 = 5): u64 {
        if (n === 0) return 100;
        for (let i = 0; i < 8; i++) { if (n === i + 2) return i; }
        if (n > big) return 200;
        return 300;
      }
      const twice = (f: (x: u64) => u64, x: u64): u64 => f(f(x));
      function first<T>(a: T, _b: T): T { return a; }`;
    const body = `const offset = 3;
      io.out = classify(input) + twice((x) => x * 2 + offset, input) * 1000 + first(classify(input, 50), 1) * 1000000;`;
    const classify = (n: bigint, big: bigint) => (n === 0n ? 100n : n >= 2n && n <= 9n ? n - 2n : n > big ? 200n : 300n);
    expect(results(body, range(60), declarations)).toEqual(
      range(60).map((n) => classify(n, 5n) + ((n * 2n + 3n) * 2n + 3n) * 1000n + classify(n, 50n) * 1000000n),
    );
  });
});

describe.skipIf(noKernel)(`null${withoutKernel}`, () => {
  test("?., ??, null in variables and results, checks that are kept in a boolean", () => {
    const declarations = `
      function pick(ctx: XdpContext, which: u64) {
        if (which === 0) return null;
        if (which === 1) return ctx.at(be16, 40);
        return ctx.at(be16, which > 50 ? which * 1000 : 42);
      }`;
    const body = `const found = pick(ctx, input);
      const value = found?.value ?? 7;
      let kept: Ref<u16> | null = null;
      if (input > 1) kept = found;
      const there = kept !== null;
      io.out = value + (there ? 1000 : 0) + (kept === null ? 0 : 10000);`;
    using running = start(
      `${declarations}
       const InOut = struct({ input: u64, out: u64 });
       export const p = xdp((ctx) => { const io = ctx.at(InOut, 16); if (!io) return XDP_DROP; const input = io.input; ${body} return XDP_PASS; });`,
    );
    const run = (input: bigint) => {
      const packet = frame([input, 0n], 64);
      packet.set([0x12, 0x34, 0x56, 0x78], 40);
      return word(running.run(packet).packet, 1);
    };
    expect(run(0n)).toBe(7n);
    expect(run(1n)).toBe(0x1234n);
    expect(run(2n)).toBe(BigInt(0x5678 + 11000));
    expect(run(60n)).toBe(7n);
    expect(run(1n << 60n)).toBe(7n);
  });

  test("an offset of any size is null beyond the packet, never an access outside of it", () => {
    const offsets = [
      0n,
      40n,
      62n,
      63n,
      64n,
      65n,
      1000n,
      65533n,
      65534n,
      65535n,
      65536n,
      1n << 32n,
      (1n << 32n) + 40n,
      (1n << 64n) - 1n,
      (1n << 64n) - 24n,
    ];
    const got = results("const at = ctx.at(be16, input); io.out = at ? at.value + 1 : 0;", offsets);
    expect(got).toEqual(offsets.map((offset) => (offset <= 62n ? 1n : 0n)));
  });
});

describe.skipIf(noKernel)(`maps${withoutKernel}`, () => {
  test("update modes, delete, and their results", () => {
    using running = start(
      `export const table = hash({ key: be32, value: u64, entries: 2 });
       const InOut = struct({ op: u64, key: u64, out: u64 });
       export const p = xdp((ctx) => {
         const io = ctx.at(InOut, 16);
         if (!io) return XDP_DROP;
         const key = u32(io.key);
         let ok = false;
         switch (io.op) {
           case 0: ok = table.update(key, io.key * 2); break;
           case 1: ok = table.update(key, 1, "noexist"); break;
           case 2: ok = table.update(key, 2, "exist"); break;
           case 3: ok = table.delete(key); break;
         }
         io.out = (ok ? 1000 : 0) + (table.lookup(key)?.value ?? 500);
         return XDP_PASS;
       });`,
    );
    const run = (op: bigint, key: bigint) => word(running.run(frame([op, key, 0n], 64)).packet, 2);
    expect(run(2n, 5n)).toBe(500n); // not there
    expect(run(0n, 5n)).toBe(1010n);
    expect(run(1n, 5n)).toBe(10n); // there already
    expect(run(2n, 5n)).toBe(1002n);
    expect(run(1n, 6n)).toBe(1001n);
    expect(run(0n, 7n)).toBe(500n); // full
    expect(run(3n, 5n)).toBe(1500n);
    expect(run(3n, 5n)).toBe(500n);
    // Keys are in network byte order in memory; user space sees the number.
    const table = running.object.map("table");
    expect([...(table as Iterable<[unknown, unknown]>)]).toEqual([[6, 1n]]);
  });

  test("keys with bit fields and byte arrays are built in place, every byte of them", () => {
    const { action } = runOnce(
      `const key = { v: 5, w: 9, id: 0x1234, mac: mac(1, 2, 3, 4, 5, 6) };
       m.update(key, { n: 7, flag: true });
       key.w = 8;
       const other = m.lookup(key);
       key.w = 9;
       const same = m.lookup({ mac: key.mac, id: key.id, w: key.w, v: key.v });
       return !other && same && same.n === 7 && same.flag ? XDP_TX : XDP_PASS;`,
      frame([], 64),
      `const mac = bytes(6);
       const Key = struct({ v: bits(4), w: bits(12), id: be16, mac });
       const m = hash({ key: Key, value: struct({ n: u32, flag: bool }), entries: 4 });`,
    );
    expect(action).toBe(3);
  });

  test("a key that lies in the packet or in a map's value is used where it is", () => {
    const { action } = runOnce(
      `const eth = ctx.at(Ethernet);
       if (!eth) return XDP_DROP;
       seen.update(eth.src, { mac: eth.dst });
       const first = seen.lookup(eth.src);
       if (!first) return XDP_DROP;
       seen.update(first.mac, { mac: eth.src });
       const second = seen.lookup(first.mac);
       return second && second.mac.equals(eth.src) ? XDP_TX : XDP_PASS;`,
      Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, ...new Array(20).fill(0)]),
      "const mac = bytes(6); const seen = hash({ key: mac, value: struct({ mac }), entries: 4 });",
    );
    expect(action).toBe(3);
  });
});

describe.skipIf(noKernel)(`helpers${withoutKernel}`, () => {
  test("csumDiff agrees with RFC 1071", () => {
    const { packet } = runOnce(
      `const io = ctx.at(struct({ from: bytes(8), to: bytes(4), sum: u64 }), 16);
       if (!io) return XDP_DROP;
       const sum = csumDiff(io.from, io.to, 5);
       const folded = (sum & 0xffff) + ((sum >> 16) & 0xffff);
       io.sum = (folded & 0xffff) + (folded >> 16);
       return XDP_PASS;`,
      Uint8Array.from([...new Array(16).fill(0), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, ...new Array(30).fill(0)]),
    );
    const words = (bytes: number[]) => bytes.reduce((sum, byte, index) => sum + (index % 2 === 0 ? byte : byte * 256), 0);
    const complement = (value: number) => 0xffff - (value % 0xffff);
    const expected = (5 + words([9, 10, 11, 12]) + complement(words([1, 2, 3, 4, 5, 6, 7, 8]))) % 0xffff;
    expect(Number(new DataView(packet.buffer, packet.byteOffset).getBigUint64(28, true)) % 0xffff).toBe(expected);
  });

  test("time goes on, random numbers differ, the CPU is one of ours", () => {
    const { action, packet } = runOnce(
      `const out = ctx.at(struct({ t1: u64, t2: u64, r1: u64, r2: u64, cpu: u64 }), 16);
       if (!out) return XDP_DROP;
       out.t1 = ktimeGetNs(); out.t2 = ktimeGetNs(); out.r1 = getPrandomU32(); out.r2 = getPrandomU32(); out.cpu = getSmpProcessorId();
       const now = ktimeGetNs();
       if (now - ktimeGetCoarseNs() >= 1000000000) return XDP_DROP;
       const ticks = jiffies64();
       return ticks > 100 && jiffies64() - ticks < 1000 ? XDP_PASS : XDP_DROP;`,
      frame([], 64),
    );
    expect(action).toBe(2);
    expect(word(packet, 1)).toBeGreaterThanOrEqual(word(packet, 0));
    expect(word(packet, 0)).toBeGreaterThan(0n);
    expect(word(packet, 2)).not.toBe(word(packet, 3));
    expect(word(packet, 4)).toBeLessThan(4096n);
  });

  test("redirect gives XDP_REDIRECT, and trace loads", () => {
    expect(runOnce("trace`length ${ctx.length} 100%`; return redirect(1);", frame([], 64)).action).toBe(4);
  });
});

test("a counter that wraps before its limit is refused, and one that just fits is not", () => {
  const check8 = (header: string) => {
    const file = resolve("test/example.bpf.ts");
    const text = `${PRELUDE}\nexport const p = xdp((ctx) => {\nlet n = 0;\nfor (${header}) n++;\nreturn n > ctx.length ? XDP_DROP : XDP_PASS;\n});`;
    return check(file, { overlay: new Map([[file, text]]) }).map(({ code }) => code);
  };
  expect(check8("let i: u8 = 0; i < 300; i++")).toEqual(["WS2001"]);
  expect(check8("let i: u8 = 0; i < 256; i++")).toEqual(["WS2001"]);
  expect(check8("let i: u8 = 0; i < 255; i++")).toEqual([]);
  expect(check8("let i: i8 = -128; i < 127; i++")).toEqual([]);
});

describe.skipIf(noKernel)(`optional chains and variables around loops${withoutKernel}`, () => {
  test("a?.b.c and a?.b[0] are left as a whole when a is null", () => {
    const body = `const pair = ctx.at(Pair, input === 0 ? 32 : 5000);
      const n = pair?.inner.n ?? 77;
      const byte = pair?.mac[1] ?? 88;
      const same = pair?.mac.equals(pair.mac) ?? false;
      io.out = n + byte * 1000 + (same ? 1000000 : 0);`;
    const declarations = "const Pair = struct({ inner: struct({ n: be16 }), mac: bytes(6) });";
    expect(results(body, [0n, 1n], declarations)).toEqual([1000000n, 88077n]);
  });

  test("&& and || give the side that decides", () => {
    const body = `const there = ctx.at(Pair, input === 0 ? 32 : 5000);
      const n = there && there.n;
      const view = there || ctx.at(Pair, 34);
      const number = input && input + 5;
      const either = (input - 1) || 9;
      io.out = (n === null ? 1 : n === 0 ? 2 : 3) + (view ? 10 : 20) + number * 100 + either * 100000;`;
    const declarations = "const Pair = struct({ n: be16 });";
    const minusOne = -1n * 100000n + (1n << 64n);
    expect(results(body, [0n, 1n, 2n], declarations)).toEqual([minusOne + 12n, 900611n, 100711n]);
  });

  test("null equals nothing but null: 0 neither, in comparisons and in switch", () => {
    const body = `const byte = ctx.at(u8, input === 0 ? 40 : 5000)?.value;
      const other = ctx.at(u8, input === 2 ? 5000 : 41)?.value;
      let out = 0;
      if (byte === 0) out += 1;
      if (byte !== 0) out += 10;
      if (byte === other) out += 100;
      if (other === byte || byte !== 0) out += 1000;
      switch (byte) {
        case 0: out += 10000; break;
        case undefined: out += 20000; break;
        default: out += 30000;
      }
      io.out = out;`;
    expect(results(body, [0n, 1n, 2n])).toEqual([11101n, 21010n, 21110n]);
  });

  test("a view that is kept through a long loop, or found in one, can be used behind it", () => {
    const body = `let before = ctx.at(be16, 40);
      let last: Ref<u8> | null = null;
      let sum = 0;
      for (let i = 0; i < 200; i++) {
        const byte = ctx.at(u8, 14 + i);
        if (!byte) break;
        last = byte;
        sum++;
      }
      if (input === 9) before = ctx.at(be16, 42);
      io.out = sum + (last ? 1000 : 0) + (before ? 10000 : 0);`;
    expect(results(body, [0n, 9n])).toEqual([11050n, 11050n]);
  });
});
