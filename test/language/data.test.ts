/** Structs, byte orders, bit fields, byte arrays, object literals: what is written is what is read, byte by byte. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { frame, noKernel, runOnce, start, withoutKernel, word } from "../kernel.ts";
import { assertProperty } from "../property.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe.skipIf(noKernel)(`byte order${withoutKernel}`, () => {
  test("be fields read and write in host order, and stay as they are when copied", () => {
    const packet = frame([], 80);
    packet.set(Buffer.from("0102030405060708090a0b0c0d0e", "hex"), 20);
    const result = runOnce(
      `const from = ctx.at(Fields, 20);
       const to = ctx.at(Fields, 40);
       const out = ctx.at(Out, 56);
       if (!from || !to || !out) return XDP_DROP;
       out.a = from.a;
       out.b = from.b;
       to.a = from.a;
       to.b = from.b + 1;
       to.c = from.c;
       return from.a === 0x0102 && from.b > 0x03040505 && from.c === u64(0x0708090a0b0c0d0en) ? XDP_TX : XDP_PASS;`,
      packet,
      `const Fields = struct({ a: be16, b: be32, c: be64 });
       const Out = struct({ a: u64, b: u64 });`,
    );
    expect(result.action).toBe(3);
    expect(hex(result.packet.subarray(40, 54))).toBe("0102030405070708090a0b0c0d0e");
    expect(word(result.packet, 5)).toBe(0x0102n);
    expect(word(result.packet, 6)).toBe(0x03040506n);
  });

  test("booleans are true for any byte but 0, and are written as 1", () => {
    const packet = frame([], 32);
    packet[20] = 7;
    const { packet: out } = runOnce(
      `const f = ctx.at(Flags, 20); if (!f) return XDP_DROP;
       f.c = f.a && !f.b; f.d = !f.a || f.b; f.e = f.a; return XDP_PASS;`,
      packet,
      "const Flags = struct({ a: bool, b: bool, c: bool, d: bool, e: bool });",
    );
    expect([...out.subarray(20, 25)]).toEqual([7, 0, 1, 0, 1]);
  });
});

describe.skipIf(noKernel)(`bit fields${withoutKernel}`, () => {
  const runs = [
    [4, 4],
    [1, 7],
    [3, 5, 8],
    [4, 8, 20],
    [12, 12],
    [2, 14],
    [1, 1, 1, 1, 1, 1, 1, 1],
    [5, 6, 7, 6],
    [16, 32, 16],
    [3, 32, 5],
  ];
  for (const widths of runs) {
    test(`${widths.join("+")} bits: reads, and writes that leave the neighbours alone`, () => {
      const bytes = widths.reduce((sum, width) => sum + width, 0) / 8;
      const fields = widths.map((width, index) => `f${index}: bits(${width})`).join(", ");
      const outs = widths.map((_, index) => `o${index}: u64`).join(", ");
      using running = start(
        `const Run = struct({ before: u8, ${fields}, after: u8 });
         const Out = struct({ value: u64, which: u64, ${outs} });
         export const p = xdp((ctx) => {
           const run = ctx.at(Run, 200);
           const out = ctx.at(Out, 16);
           if (!run || !out) return XDP_DROP;
           ${widths.map((_, index) => `out.o${index} = run.f${index};`).join("\n")}
           switch (out.which) { ${widths.map((_, index) => `case ${index}: run.f${index} = out.value; break;`).join("\n")} }
           return XDP_PASS;
         });`,
      );
      const random = fc.record({
        content: fc.uint8Array({ minLength: bytes + 2, maxLength: bytes + 2 }),
        value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        which: fc.nat(widths.length - 1),
      });
      assertProperty(
        fc.property(random, ({ content, value, which }) => {
          const packet = frame([value, BigInt(which)], 260);
          packet.set(content, 200);
          const { packet: out } = running.run(packet);
          const before = content.subarray(1, bytes + 1).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
          let expected = before;
          let left = bytes * 8;
          widths.forEach((width, index) => {
            left -= width;
            const mask = (1n << BigInt(width)) - 1n;
            expect(word(out, 2 + index)).toBe((before >> BigInt(left)) & mask);
            if (index === which) expected = (expected & ~(mask << BigInt(left))) | ((value & mask) << BigInt(left));
          });
          expect(hex(out.subarray(201, 201 + bytes))).toBe(expected.toString(16).padStart(bytes * 2, "0"));
          expect([out[200], out[201 + bytes]]).toEqual([content[0], content[bytes + 1]]);
        }),
        { numRuns: 60 },
      );
    });
  }
});

describe.skipIf(noKernel)(`byte arrays${withoutKernel}`, () => {
  const content = (length: number) => Uint8Array.from({ length }, (_, index) => index * 7 + 1);
  const lastDiffers = (bytes: Uint8Array) =>
    Uint8Array.from(bytes, (byte, index) => (index === bytes.length - 1 ? byte ^ 0x80 : byte));

  test("of every length from 1 to 40 are swapped and compared in the packet", () => {
    for (let length = 1; length <= 40; length++) {
      using running = start(
        `const blob = bytes(${length});
         const Pair = struct({ pad: u8, a: blob, b: blob });
         export const p = xdp((ctx) => {
           const pair = ctx.at(Pair, 20);
           if (!pair) return XDP_DROP;
           const before = pair.a;
           pair.a = pair.b;
           pair.b = before;
           return pair.a.equals(before) ? XDP_TX : XDP_PASS;
         });`,
      );
      const a = content(length);
      for (const b of [a, lastDiffers(a)]) {
        const packet = frame([], 120);
        packet.set([0x5a, ...a, ...b], 20);
        const { action, packet: out } = running.run(packet);
        expect(action, `length ${length}`).toBe(b === a ? 3 : 2);
        expect(hex(out.subarray(20, 21 + 2 * length))).toBe(hex(Uint8Array.from([0x5a, ...b, ...a])));
      }
    }
  });

  test("of every length from 1 to 40 are keys and values, at odd places on the stack", () => {
    for (let length = 1; length <= 40; length++) {
      using running = start(
        `const blob = bytes(${length});
         const Entry = struct({ pad: u8, blob });
         const store = hash({ key: Entry, value: Entry, entries: 4 });
         export const p = xdp((ctx) => {
           const entry = ctx.at(Entry, 20);
           const out = ctx.at(Entry, 80);
           if (!entry || !out) return XDP_DROP;
           store.update({ pad: 9, blob: entry.blob }, { pad: entry.pad, blob: entry.blob });
           const found = store.lookup({ pad: 9, blob: entry.blob });
           if (!found || !found.blob.equals(entry.blob)) return XDP_ABORTED;
           out.pad = found.pad;
           out.blob = found.blob;
           found.blob = blob();
           return found.blob.equals(entry.blob) ? XDP_ABORTED : XDP_PASS;
         });`,
      );
      const packet = frame([], 140);
      packet.set([0x5a, ...content(length)], 20);
      const { action, packet: out } = running.run(packet);
      expect(action, `length ${length}`).toBe(2);
      expect(hex(out.subarray(80, 81 + length))).toBe(hex(packet.subarray(20, 21 + length)));
    }
  });

  test("have constants, lengths, and single bytes that can be read and written", () => {
    const { action, packet } = runOnce(
      `const eth = ctx.at(Ethernet); if (!eth) return XDP_DROP;
       const copy = eth.dst;
       eth.src = mac(0x02, 0, 0, 0, 0xff, 9);
       eth.dst[5] = u8(300);
       eth.type = copy[0] + copy[5] * 256;
       return copy.length === 6 && eth.src[4] === 0xff ? XDP_TX : XDP_PASS;`,
      Uint8Array.from([1, 2, 3, 4, 5, 6, ...new Array(26).fill(0)]),
      "const mac = bytes(6);",
    );
    expect(action).toBe(3);
    expect(hex(packet.subarray(0, 14))).toBe("01020304052c" + "02000000ff09" + "0601");
  });
});

describe.skipIf(noKernel)(`structs and object literals${withoutKernel}`, () => {
  test("nested structs are views into the outer one, and are copied by assignment", () => {
    const { packet } = runOnce(
      `const o = ctx.at(Outer, 20); if (!o) return XDP_DROP;
       const first = o.first;
       first.x = 0x1122;
       o.second = o.first;
       o.second.y = first.y + 1;
       return XDP_PASS;`,
      frame([], 40),
      "const Inner = struct({ x: be16, y: u8 }); const Outer = struct({ first: Inner, second: Inner });",
    );
    expect(hex(packet.subarray(20, 26))).toBe("112200" + "112201");
  });

  test("an object literal held by a const can be changed, through every name that it has", () => {
    const { packet } = runOnce(
      `const out = ctx.at(Out, 16); if (!out) return XDP_DROP;
       const state = { count: 1, inner: { depth: 2 } };
       bump(state);
       const alias = state.inner;
       alias.depth *= 10;
       for (let i = 0; i < 3; i++) state.count++;
       if (ctx.length > 30) state.count += 100;
       out.a = state.count;
       out.b = state.inner.depth;
       return XDP_PASS;`,
      frame([], 40),
      `const Out = struct({ a: u64, b: u64 });
       function bump(s: { count: number; inner: { depth: number } }) { s.count += 40; s.inner.depth++; }`,
    );
    expect([word(packet, 0), word(packet, 1)]).toEqual([144n, 30n]);
  });
});

describe.skipIf(noKernel)(`packed structs on the stack${withoutKernel}`, () => {
  test("have their fields at any offset, each written and read as a whole", () => {
    const { action } = runOnce(
      `const input = ctx.at(u64, 16);
       if (!input) return XDP_DROP;
       const n = input.value;
       m.update({ a: u8(n), b: u32(n), c: u16(n), d: n, e: u32(n) }, { x: u8(n), y: n });
       const found = m.lookup({ a: u8(n), b: u32(n), c: u16(n), d: n, e: u32(n) });
       return found && found.x === (n & 0xff) && found.y === n ? XDP_TX : XDP_PASS;`,
      frame([0x1122334455667788n], 64),
      `const Odd = struct({ a: u8, b: u32, c: be16, d: u64, e: be32 });
       const m = hash({ key: Odd, value: struct({ x: u8, y: u64 }), entries: 4 });`,
    );
    expect(action).toBe(3);
  });
});

describe.skipIf(noKernel)(`map types with bit fields${withoutKernel}`, () => {
  test("load and are decoded in user space, whatever the fields' order in a byte", () => {
    using running = start(
      `export const table = hash({ key: struct({ high: bits(4), low: bits(4) }), value: struct({ a: bits(1), b: bits(7), n: u8 }), entries: 2 });
       export const p = xdp(() => (table.update({ high: 2, low: 9 }, { a: 1, b: 100, n: 7 }) ? XDP_TX : XDP_PASS));`,
    );
    expect(running.run(frame([], 64)).action).toBe(3);
    expect([...(running.object.map("table") as Iterable<unknown>)]).toEqual([
      [
        { high: 2, low: 9 },
        { a: 1, b: 100, n: 7 },
      ],
    ]);
  });
});
