/** Functions that are compiled once and called: what they take and give back, that the kernel accepts them, and that they compute the same. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { Vm } from "../../src/vm/index.ts";
import { isolated, lacking, output, temporaryDirectory } from "../foreign-tools.ts";
import { frame, noKernel, PRELUDE, runOnce, withoutKernel } from "../kernel.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;

const DROP = 1;
const TX = 3;

const PREFIX = `import { arrayOf, atomicAdd, noinline, inline, local } from "wirescript/kernel";
import type { ArrayMap } from "wirescript/kernel";
`;

function specOf(text: string) {
  const file = resolve("test/functions-example.bpf.ts");
  return compile(file, { overlay: new Map([[file, PRELUDE + PREFIX + text]]) }).spec;
}

/** What the kernel and the interpreter both make of it. */
function run(declarations: string, body: string, packet: Uint8Array) {
  const spec = specOf(`${declarations}\nexport const p = xdp((ctx) => {\n${body}\n});`);
  const result = runOnce(body, packet, PREFIX + declarations);
  const own = new Vm(spec).run("p", packet);
  expect({ action: own.action, packet: own.packet }).toEqual({ action: result.action, packet: new Uint8Array(result.packet) });
  return result;
}

describe.skipIf(noKernel !== null)(`functions of their own${reason}`, () => {
  test("take integers and give one, wrapped at its width", () => {
    const declarations = "const sum = noinline((a: u8, b: u16, c: i32): u8 => u8(a + b + c));";
    const body = "return sum(250, 1, -2) === 249 && sum(u8(ctx.length), 256, 0) === 64 ? XDP_TX : XDP_DROP;";
    expect(run(declarations, body, frame([], 64)).action).toBe(TX);
    const [program] = specOf(`${declarations}\nexport const p = xdp((ctx) => { ${body} });`).programs;
    expect(program?.functions.map(({ name }) => name)).toEqual(["p", "sum"]);
  });

  test("take and give booleans and actions", () => {
    const declarations = `const isLong = noinline((length: u32, strict: boolean): boolean => strict && length > 60);
      const verdict = noinline((long: boolean): XdpAction => { if (long) return XDP_TX; return XDP_DROP; });`;
    const body = "return verdict(isLong(ctx.length, ctx.length !== 7));";
    expect(run(declarations, body, frame([], 64)).action).toBe(TX);
    expect(run(declarations, body, frame([], 50)).action).toBe(DROP);
  });

  test("change the packet through a view that the caller has checked", () => {
    const declarations = `function swap(eth: View<typeof Ethernet>): void { const dst = eth.dst; eth.dst = eth.src; eth.src = dst; }
      const swapped = noinline(swap);`;
    const body =
      "const eth = ctx.at(Ethernet); if (!eth) return XDP_DROP; swapped(eth); swapped(eth); swapped(eth); return XDP_TX;";
    const packet = frame([], 64);
    packet.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect([...run(declarations, body, packet).packet.subarray(0, 12)]).toEqual([7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6]);
  });

  test("take a view or null, and give one", () => {
    const declarations = `
      const pick = noinline((ctx: XdpContext, offset: u32): View<typeof u32> | null => ctx.at(u32, offset));
      const valueOf = noinline((word: View<typeof u32> | null): u32 => word ? word.value : 7);`;
    const body =
      "const a = pick(ctx, 16); const b = pick(ctx, 62); return valueOf(a) === 5 && valueOf(b) === 7 ? XDP_TX : XDP_DROP;";
    expect(run(declarations, body, frame([5n], 64)).action).toBe(TX);
  });

  test("take and give elements of maps, and maps, schemas and functions, which take no register", () => {
    const declarations = `
      const Counter = struct({ packets: u64, bytes: u64 });
      export const one = array({ value: Counter, entries: 2 });
      export const two = array({ value: Counter, entries: 2 });
      const find = noinline((map: ArrayMap<typeof Counter>, index: u32): View<typeof Counter> | null => map.lookup(index));
      const add = noinline((counter: View<typeof Counter>, length: u32): void => { atomicAdd(counter.packets, 1); counter.bytes += length; });
      const apply = noinline((f: (n: u32) => u32, n: u32): u32 => f(n) + f(n + 1));
      const read = noinline((ctx: XdpContext, schema: typeof u16 | typeof u32): u32 => { const view = ctx.at(schema, 16); return view ? view.value : 0; });`;
    const body = `
      const a = find(one, 0); const b = find(two, 1);
      if (!a || !b) return XDP_DROP;
      add(a, 1); add(b, ctx.length); add(b, ctx.length);
      if (apply((n: u32): u32 => n * 2, 5) !== 22) return XDP_PASS;
      return a.packets === 1 && b.bytes === ctx.length * 2 && read(ctx, u16) === 0x302 ? XDP_TX : XDP_DROP;`;
    expect(run(declarations, body, frame([0x05040302n], 64)).action).toBe(TX);
  });

  test("take a struct on the caller's stack, and byte arrays", () => {
    const declarations = `
      const Pair = struct({ a: u32, b: u32 });
      const fill = noinline((pair: View<typeof Pair>): void => { pair.a = 3; pair.b = 4; });
      const mac = bytes(6);
      const same = noinline((a: Bytes<6>, b: Bytes<6>): boolean => a.equals(b));`;
    const body = `const pair = local(Pair, { a: 1, b: 2 });
      fill(pair);
      const eth = ctx.at(Ethernet);
      if (!eth) return XDP_DROP;
      return pair.a === 3 && pair.b === 4 && !same(eth.dst, eth.src) && same(eth.dst, mac(1, 2, 3, 4, 5, 6)) ? XDP_TX : XDP_DROP;`;
    const packet = frame([], 64);
    packet.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(run(declarations, body, packet).action).toBe(TX);
  });

  test("call each other, eight deep with the program", () => {
    const names = ["a", "b", "c", "d", "e", "f", "g"];
    const declarations = names
      .map((name, index) => `const ${name} = noinline((n: u32): u32 => ${index === 0 ? "n" : `${names[index - 1]}(n)`} + 1);`)
      .join("\n");
    expect(run(declarations, "return g(ctx.length) === 71 ? XDP_TX : XDP_DROP;", frame([], 64)).action).toBe(TX);
  });

  test("move the packet, and what the caller looked at before is dead", () => {
    const declarations = "const grow = noinline((ctx: XdpContext): boolean => ctx.adjustHead(-4));";
    const body = (use: string) =>
      `const eth = ctx.at(Ethernet); if (!eth) return XDP_DROP; if (!grow(ctx)) return XDP_ABORTED; ${use} return XDP_TX;`;
    const good = body("const again = ctx.at(Ethernet); if (!again) return XDP_DROP; again.type = 5;");
    const { packet } = run(declarations, good, frame([], 64));
    expect([packet.length, packet[13]]).toEqual([68, 5]);
    expect(() => specOf(`${declarations}\nexport const p = xdp((ctx) => { ${body("eth.type = 5;")} });`)).toThrow(/WS2022/);
  });

  test("are not made for `inline`", () => {
    const spec = specOf(
      "const f = inline((n: u32): u32 => n + 1);\nexport const p = xdp((ctx) => f(ctx.length) > 3 ? XDP_PASS : XDP_DROP);",
    );
    expect(spec.programs[0]?.functions).toHaveLength(1);
  });

  test("are shared by the programs of an object, which tools can read and load", () => {
    const text = `
      const checked = noinline((ctx: XdpContext, offset: u32): boolean => { const view = ctx.at(u16, offset); return view !== null && view.value === 8; });
      const twice = noinline((ctx: XdpContext): boolean => checked(ctx, 12) && checked(ctx, 14));
      export const p = xdp((ctx) => twice(ctx) ? XDP_TX : XDP_PASS);
      export const q = xdp((ctx) => checked(ctx, 12) ? XDP_TX : XDP_PASS);`;
    const spec = specOf(text);
    const bytes = writeElf(spec);
    const again = readElf(bytes, "functions.o");
    expect(again.programs.map(({ functions }) => functions.map(({ name }) => name))).toEqual([
      ["p", "twice", "checked"],
      ["q", "checked"],
    ]);
  });
});

test.skipIf(noKernel !== null)(
  `a tree of calls that would be too large built in is compiled function by function${withoutKernel}`,
  () => {
    const names = [...Array(11).keys()].map((index) => `f${index}`);
    const functions = names.map((name, index) =>
      index === 0
        ? `function ${name}(ctx: XdpContext, n: u32): u32 { const byte = ctx.at(u8, n & 31); return byte ? (byte.value + n * 3 + 1) & 0xffff : 9; }`
        : `function ${name}(ctx: XdpContext, n: u32): u32 { return (f${index - 1}(ctx, n + 1) + f${index - 1}(ctx, n ^ 5) * 2 + n * 7) & 0xffff; }`,
    );
    const value = (level: number, n: number): number =>
      level === 0 ? ((n & 31) + n * 3 + 1) & 0xffff : (value(level - 1, n + 1) + value(level - 1, n ^ 5) * 2 + n * 7) & 0xffff;
    const packet = new Uint8Array(64).map((_, index) => index);
    const body = `return f10(ctx, 7) === ${value(10, 7)} ? XDP_TX : XDP_DROP;`;
    // Built in, the first function would be there 1,024 times, and compiling would not end in this test's time.
    const spec = specOf(`${functions.join("\n")}\nexport const p = xdp((ctx) => { ${body} });`);
    expect(spec.programs[0]?.functions.length).toBeGreaterThan(1);
    expect(run(functions.join("\n"), body, packet).action).toBe(TX);
  },
);

const TOOLS = ["root", "llvm-objdump-19", "bpftool"];
test.skipIf(lacking(...TOOLS) !== "")(`are read by llvm-objdump, and loaded and listed by bpftool${lacking(...TOOLS)}`, () => {
  const spec = specOf(`
    const checked = noinline((ctx: XdpContext, offset: u32): boolean => { const view = ctx.at(u16, offset); return view !== null && view.value === 8; });
    const twice = noinline((ctx: XdpContext): boolean => checked(ctx, 12) && checked(ctx, 14));
    const one = noinline((): u32 => 1);
    export const p = xdp((ctx) => twice(ctx) && one() === 1 ? XDP_TX : XDP_PASS);`);
  // libbpf wants a line at the start of each function, of one that is but a constant too.
  for (const fn of spec.programs[0]?.functions ?? []) expect(fn.lines[0]?.slot, fn.name).toBe(0);
  const file = join(temporaryDirectory(), "functions.o");
  writeFileSync(file, writeElf(spec));
  expect(output("llvm-objdump-19", "-d", "-r", file)).toMatch(/<checked>:[\s\S]*<p>:\s[\s\S]*R_BPF_64_32/);
  const shown = isolated(`bpftool prog loadall ${file} /sys/fs/bpf/f; bpftool prog dump xlated pinned /sys/fs/bpf/f/p linum`);
  expect(shown).toMatch(/int p\(struct xdp_md \*\s?ctx\)/);
  expect(shown).toMatch(/_Bool twice\(void \*\s?ctx\)/);
  expect(shown).toMatch(/_Bool checked\(unsigned int offset, void \*\s?ctx\)|_Bool checked\(__u32 offset, void \*\s?ctx\)/);
});

test("what the stack can never hold is told where it stands, before the passes would take minutes for it", () => {
  const text = `export const p = xdp((ctx) => {
      const below = local(arrayOf(u32, 65535));
      let sum: u32 = 0;
      for (const each of below) sum += each;
      return sum ? XDP_DROP : XDP_PASS;
    });`;
  expect(() => specOf(text)).toThrow(/:\d+:21 WS4001: This needs 262140 bytes of stack, and the kernel gives 512/);
});

test("the chain of calls that needs too much stack is named", () => {
  const text = `
    const Big = struct({ a: bytes(128), b: bytes(128) });
    const m = hash({ key: Big, value: u32, entries: 1 });
    const n = hash({ key: u32, value: Big, entries: 1 });
    const inner = noinline((i: u32): boolean => { const b = n.lookup(i); if (!b) return false; return m.lookup({ a: b.a, b: b.b }) !== null; });
    const outer = noinline((i: u32): boolean => { const b = n.lookup(i); if (!b) return false; return m.lookup({ a: b.b, b: b.a }) !== null && inner(i); });
    export const p = xdp((ctx) => outer(ctx.length) ? XDP_DROP : XDP_PASS);`;
  expect(() => specOf(text)).toThrow(/WS4001: The chain of calls `p` → `outer` → `inner` needs \d+ bytes of stack/);
});
