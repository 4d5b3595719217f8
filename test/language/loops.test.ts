/** Loops of all lengths: what they compute in the kernel and in the interpreter, that the verifier takes them, and how they are left. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { PASSES } from "../../src/compiler/passes/pipeline.ts";
import { Vm } from "../../src/vm/index.ts";
import { frame, noKernel, PRELUDE, runOnce, withoutKernel, word } from "../kernel.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;

const TX = 3;
const PREFIX = `import { arrayOf, local, noinline } from "wirescript/kernel";\n`;

function specOf(text: string, disabledPasses: string[] = []) {
  const file = resolve("test/loops-example.bpf.ts");
  return compile(file, { disabledPasses, overlay: new Map([[file, PRELUDE + PREFIX + text]]) }).spec;
}

/** What the kernel and the interpreter both make of it, with the passes and without. */
function run(body: string, packet: Uint8Array, declarations = "") {
  let last = { action: -1, packet };
  for (const disabledPasses of [[], PASSES.map(({ name }) => name)]) {
    const spec = specOf(`${declarations}\nexport const p = xdp((ctx) => {\n${body}\n});`, disabledPasses);
    const own = new Vm(spec).run("p", packet);
    const { action, packet: out } = runOnce(body, packet, PREFIX + declarations, { disabledPasses });
    expect({ action: own.action, packet: own.packet }).toEqual({ action, packet: new Uint8Array(out) });
    last = { action, packet: out };
  }
  return last;
}

/** `body` computes `result`, which goes to the packet. */
function compute(body: string, packet = frame([0n, 0n, 0n, 0n]), declarations = ""): bigint {
  const whole = `${body}\nconst out = ctx.at(u64, 16); if (!out) return XDP_DROP; out.value = result; return XDP_TX;`;
  return word(run(whole, packet, declarations).packet, 0);
}

function callbacks(body: string, declarations = ""): number {
  const functions = specOf(`${declarations}\nexport const p = xdp((ctx) => {\n${body}\nreturn XDP_PASS; });`).programs[0]
    ?.functions;
  return functions?.filter(({ name }) => /_loop\d/.test(name)).length ?? 0;
}

describe.skipIf(noKernel !== null)(`long loops${reason}`, () => {
  test("a sum of twenty thousand numbers", () => {
    expect(compute("let result: u64 = 0; for (let i = 0; i < 20000; i++) result += i * 3;")).toBe(3n * 199990000n);
  });

  test("a hundred rounds with three branches that change variables", () => {
    const body = `let a: u32 = 0; let b: u32 = 1; let c: u32 = 2;
      const seed = ctx.at(u8, 16); if (!seed) return XDP_DROP; const s = seed.value;
      for (let i = 0; i < 100; i++) {
        if (((s + i) & 1) === 0) a += 1;
        if (((s * i) & 2) === 0) b += a; else b ^= i;
        if (a > b) c += 2;
      }
      const result = a * 1000000 + (b & 255) * 1000 + c + (a > 3 ? 1 : 0);`;
    let [a, b, c] = [0, 1, 2];
    for (let i = 0; i < 100; i++) {
      if (((5 + i) & 1) === 0) a++;
      if (((5 * i) & 2) === 0) b += a;
      else b ^= i;
      if (a > b) c += 2;
    }
    expect(callbacks(`${body} if (result === 7) return XDP_DROP;`)).toBe(1);
    expect(compute(body, frame([5n, 0n, 0n, 0n]))).toBe(BigInt(a * 1000000 + (b & 255) * 1000 + c + (a > 3 ? 1 : 0)));
  });

  test("packets, maps and views from around the loop, and break", () => {
    const declarations = "export const seen = array({ value: u64, entries: 1 });";
    const body = `const seenOnce = seen.lookup(0); if (!seenOnce) return XDP_DROP;
      const first = ctx.at(u32, 16); if (!first) return XDP_DROP;
      let result: u64 = 0; let odd: u32 = 0;
      for (let i = 0; i < 50000; i++) {
        const byte = ctx.at(u8, 16 + i);
        if (!byte) break;
        if ((byte.value & 1) === 1) odd++;
        seenOnce.value++;
        first.value = first.value + 1;
        result += byte.value;
      }
      if (odd > 5) result += 1000000;
      result += seenOnce.value * 10000;`;
    expect(callbacks(body, declarations)).toBe(1);
    const packet = frame([0n, 0x0101010101010101n, 0n]);
    // Each of the 24 bytes is read when as many of the rounds before have added to the first word.
    let total = 0;
    const bytes = Uint8Array.from(packet.subarray(16));
    const view = new DataView(bytes.buffer);
    let odd = 0;
    for (let i = 0; i < 24; i++) {
      if ((bytes[i] as number) & 1) odd++;
      view.setUint32(0, view.getUint32(0, true) + 1, true);
      total += i === 0 ? 0 : (bytes[i] as number);
    }
    expect(odd).toBeGreaterThan(5);
    const whole = `${body}\nconst out = ctx.at(u64, 32); if (!out) return XDP_DROP; out.value = result; return XDP_TX;`;
    const result = run(whole, packet, declarations);
    expect(result.action).toBe(TX);
    expect(word(result.packet, 2)).toBe(BigInt(total + 1 + 1000000 + 24 * 10000));
  });

  test("return from within, continue, and values of the last round", () => {
    const declarations = `function find(ctx: XdpContext, wanted: u32): u32 {
      let skipped: u32 = 0;
      for (let i = 0; i < 60000; i++) {
        const byte = ctx.at(u8, 16 + i);
        if (!byte) return 9999;
        if ((byte.value & 1) === 0) { skipped++; continue; }
        if (byte.value === wanted) return i * 100 + skipped;
      }
      return 7777;
    }`;
    const packet = frame([0x0705030201000402n, 0n]);
    expect(callbacks("return find(ctx, 5) === 3 ? XDP_DROP : XDP_PASS;", declarations)).toBe(1);
    expect(compute("const result = find(ctx, 5) * 10000 + find(ctx, 99);", packet, declarations)).toBe(
      6n * 1000000n + 4n * 10000n + 9999n,
    );
  });

  test("loops in loops", () => {
    const body = `let result: u64 = 0;
      for (let i = 0; i < 80; i++) { for (let j = 0; j < 90; j++) { if (((i ^ j) & 7) === 3) result += j; else if (j > i) result++; } }`;
    let total = 0;
    for (let i = 0; i < 80; i++)
      for (let j = 0; j < 90; j++)
        if (((i ^ j) & 7) === 3) total += j;
        else if (j > i) total++;
    expect(compute(body)).toBe(BigInt(total));
  });

  test("loops in loops that become one: neither is left early", () => {
    const text = `const Counts = struct({ before: be32, least: i16, left: be64, behind: i64 });
      export const p = xdp((ctx) => {
        const payload = ethernetPayload(ctx);
        const counts = ctx.at(Counts, 14);
        if (!payload || !counts) return XDP_TX;
        for (let i = -1; i < 41; i += 2) for (const _ of range(786)) {
          if (--counts.left > (counts.least > 48 ? counts.least : 0)) {
            if (0 / ctx.length > 3 % (ctx.at(Counts, payload.offset)?.behind ?? 3)) { }
          }
        }
        return XDP_PASS;
      });`;
    for (const each of ["nothing", "remove-trivial-phis"]) {
      const { action, packet } = new Vm(specOf(text, [each])).run("p", frame([0n, 0x7000n, 0n, 0n, 0n]));
      const left = new DataView(packet.buffer, packet.byteOffset).getBigUint64(20);
      expect({ each, action, rounds: 0x70_0000n - left }).toEqual({ each, action: 2, rounds: 21n * 786n });
    }
  });

  describe("with views of structs on the stack that change from round to round", () => {
    const declarations = "const Pair = struct({ a: u32, c: u64 });\nconst Four = arrayOf(Pair, 4);";
    const pairs = `const x = local(Pair, { a: 1, c: 0 }); const y = local(Pair, { a: 2, c: 0 }); const z = local(Pair, { a: 3, c: 0 }); let v = x;`;
    const sum = "const result = x.a + y.a * 100000 + z.a * 10000000000 + x.c + y.c * 2 + z.c * 3;";
    type Pair = { a: number; c: number };
    const model = (loop: (x: Pair, y: Pair, z: Pair) => void): bigint => {
      const [x, y, z] = [1, 2, 3].map((a) => ({ a, c: 0 })) as [Pair, Pair, Pair];
      loop(x, y, z);
      return BigInt(x.a + y.a * 100000 + z.a * 10000000000 + x.c + y.c * 2 + z.c * 3);
    };

    test("among three", () => {
      const body = `${pairs} for (let n = 0; n < 7000; n++) { v.a++; v = n % 3 === 0 ? x : n % 3 === 1 ? y : z; } v.c = 78; ${sum}`;
      const expected = model((x, y, z) => {
        let v = x;
        for (let n = 0; n < 7000; n++) {
          v.a++;
          v = n % 3 === 0 ? x : n % 3 === 1 ? y : z;
        }
        v.c = 78;
      });
      expect(callbacks(body, declarations)).toBe(1);
      expect(compute(body, undefined, declarations)).toBe(expected);
    });

    test("in loops in each other", () => {
      const inner = "for (let m = 0; m < 300; m++) { v.a++; if (m === 17) v = y; if (m === 200) v = z; }";
      const body = `${pairs} for (let n = 0; n < 300; n++) { ${inner} v.c++; if (n === 298) v = x; } v.c += 7; ${sum}`;
      const expected = model((x, y, z) => {
        let v = x;
        for (let n = 0; n < 300; n++) {
          for (let m = 0; m < 300; m++) {
            v.a++;
            if (m === 17) v = y;
            if (m === 200) v = z;
          }
          v.c++;
          if (n === 298) v = x;
        }
        v.c += 7;
      });
      expect(callbacks(body, declarations)).toBe(2);
      expect(compute(body, undefined, declarations)).toBe(expected);
    });

    test("as the loop was left", () => {
      const packet = frame([0n, 0n, 0n, 0n]);
      const loop =
        "for (let n = 0; n < 7000; n++) { if (n === ctx.length * 9) { v = y; break; } if (n === 6000) { v = z; break; } x.a++; }";
      const body = `${pairs} ${loop} v.c = 55; ${sum}`;
      const expected = model((x, y) => {
        x.a += packet.length * 9;
        y.c = 55;
      });
      expect(callbacks(body, declarations)).toBe(1);
      expect(compute(body, packet, declarations)).toBe(expected);
    });

    test("and elements that a number chooses, used behind the loop too", () => {
      const four =
        "const d = local(Four, [{ a: 1, c: 2 }, { a: 3, c: 4 }, { a: 5, c: 6 }, { a: 7, c: 8 }]); let i: u32 = 0; let e = d[0];";
      const loop =
        "for (let n = 0; n < 5000; n++) { i = (ctx.length + n) % 4; d[i].c += n; e.a++; e = d[n % 3]; if (d[i].c > 2000000) break; }";
      const body = `${four} ${loop} d[i].a = 100; e.a += 1000; let result: u64 = 0; for (const each of d) result = result * 7 + each.a * 3 + each.c;`;
      const packet = frame([0n, 0n, 0n, 0n]);
      const d = [1, 3, 5, 7].map((a) => ({ a, c: a + 1 })) as Pair[];
      let [i, e] = [0, d[0] as Pair];
      for (let n = 0; n < 5000; n++) {
        i = (packet.length + n) % 4;
        (d[i] as Pair).c += n;
        e.a++;
        e = d[n % 3] as Pair;
        if ((d[i] as Pair).c > 2000000) break;
      }
      (d[i] as Pair).a = 100;
      e.a += 1000;
      expect(compute(body, packet, declarations)).toBe(d.reduce((all, each) => all * 7n + BigInt(each.a * 3 + each.c), 0n));
    });
  });

  test("keys on the stack, and a struct from before the loop", () => {
    const declarations = `const Key = struct({ a: u32, b: u32 });
      export const table = hash({ key: Key, value: u32, entries: 16384 });`;
    const body = `const pair = local(Key, { a: 0, b: 5 });
      for (let i = 0; i < 5000; i++) { table.update({ a: i, b: pair.b }, i * 2); pair.a = pair.a + 1; }
      const found = table.lookup({ a: 4321, b: 5 });
      const result = (found ? found.value : 0) + pair.a * 100000;`;
    expect(callbacks(body, declarations)).toBe(1);
    expect(compute(body, undefined, declarations)).toBe(8642n + 5000n * 100000n);
  });

  test("down, in steps, with the counter as an index", () => {
    const declarations = "const Word = struct({ bytes: arrayOf(u8, 200) });";
    const body = `const view = ctx.at(Word, 16); if (!view) return XDP_DROP;
      let result: u64 = 0; let large: u32 = 0;
      for (let i = 198; i > 0; i -= 2) { const byte = view.bytes[i]; if (byte > 100) large += 1; if (large > 3) result += byte; }`;
    const packet = new Uint8Array(16 + 200 + 1).map((_, index) => index);
    let [total, large] = [0, 0];
    for (let i = 198; i > 0; i -= 2) {
      if (i + 16 > 100) large++;
      if (large > 3) total += (i + 16) & 255;
    }
    expect(callbacks(`${body} if (result === 7) return XDP_DROP;`, declarations)).toBe(1);
    expect(compute(body, packet, declarations)).toBe(BigInt(total));
  });

  test("as many rounds as a variable says", () => {
    const body = `const first = ctx.at(u8, 16); if (!first) return XDP_DROP; const n = first.value;
      let result: u64 = 0; let m: u16 = n;
      for (let i = 0; i < n; i++) result += i;
      for (let i: u32 = n; i > 0; i--) result += 1000;
      for (const i of range(n)) result += i;
      for (const i of range(n, 300)) { if (i > 290) result += 100000; }
      for (let i = 2; i <= n && i < ctx.length; i += 3) { result += 10000000; m += 2; }
      for (let i = 0; i < m; i++) result += 1000000000;`;
    for (const n of [0, 200]) {
      let total = 0;
      let m = n;
      for (let i = 0; i < n; i++) total += i * 2 + 1000;
      total += 9 * 100000;
      for (let i = 2; i <= n && i < 48; i += 3) [total, m] = [total + 10000000, m + 2];
      total += m * 1000000000;
      expect(compute(body, frame([BigInt(n), 0n, 0n, 0n])), `${n}`).toBe(BigInt(total));
    }
  });

  test("in a function of its own", () => {
    const declarations =
      "const sum = noinline((ctx: XdpContext, n: u32): u32 => { let s: u32 = 0; for (let i = 0; i < 7000; i++) { if ((i & n) === n) s++; } return s; });";
    expect(compute("const result = sum(ctx, 3) + sum(ctx, 1) * 100000;", undefined, declarations)).toBe(
      1750n + 3500n * 100000n,
    );
  });

  test("that compare what an offset outside is made of, which the verifier must go on to know", () => {
    const body = `const first = ctx.at(u8, 16); if (!first) return XDP_DROP; const x = first.value & 15;
      let result: u64 = 0;
      for (const n of range(200)) {
        const at = ctx.at(u8, x + n);
        if (!at) break;
        if (x < 4) result += at.value; else if (at.value > 7) result += n;
        if ((result & 1023) > x * 3) result += 5;
      }
      const last = ctx.at(u8, x + 14); if (!last) return XDP_DROP;
      result += last.value;`;
    expect(callbacks(`${body} if (result === 7) return XDP_DROP;`)).toBe(1);
    const packet = new Uint8Array(48).map((_, index) => index);
    for (const x of [2, 9]) {
      packet[16] = x;
      let total = 0;
      for (let n = 0; n + x < 48; n++) {
        const at = packet[x + n] ?? 0;
        if (x < 4) total += at;
        else if (at > 7) total += n;
        if ((total & 1023) > x * 3) total += 5;
      }
      expect(compute(body, packet.slice()), `${x}`).toBe(BigInt(total + (packet[x + 14] ?? 0)));
    }
  });
});

test.skipIf(noKernel)(`the packet's length under a name is a limit, as \`ctx.length\` is${withoutKernel}`, () => {
  const { packet } = runOnce(
    `const out = ctx.at(u64, 16);
     const len = ctx.length;
     let n = 0;
     for (let i = 0; i < len; i++) n += 2;
     if (!out) return XDP_DROP;
     out.value = n;
     return XDP_TX;`,
    frame([0n], 100),
  );
  expect(word(packet, 0)).toBe(200n);
});
