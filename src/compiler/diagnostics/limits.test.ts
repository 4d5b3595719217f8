/** Limits that an example of the catalogue cannot show: names of every kind, and nesting beyond the compiler's own stack. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check, compile } from "../compile.ts";

const IMPORTS =
  'import { array, bits, noinline, setting, struct, u32, u64, XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";\n';
const PROGRAM = "export const p = xdp((ctx) => (ctx.length ? XDP_PASS : XDP_DROP));";
const file = resolve("limits.bpf.ts");

function codes(text: string): string[] {
  return check(file, { overlay: new Map([[file, IMPORTS + text]]) }).map(({ code, line }) => `${code} in line ${line - 1}`);
}

describe("names that the kernel does not take", () => {
  test.each([
    ["a program, by its export", "export const über = xdp(() => XDP_PASS);"],
    ["a program, by its option", 'export const p = xdp(() => XDP_PASS, { name: "a-b" });'],
    ["a map", "export const m$ = array({ value: u32, entries: 1 });\n".trimEnd() + PROGRAM],
    ["a setting", "const é = setting(u32, 1); export const p = xdp(() => (é ? XDP_PASS : XDP_DROP));"],
    ["a field", `export const m = array({ value: struct({ "a b": u32 }), entries: 1 }); ${PROGRAM}`],
    ["one that is too long", `export const ${"p".repeat(128)} = xdp(() => XDP_PASS);`],
  ])("of %s", (_, text) => {
    expect(codes(text)).toEqual(["WS3009 in line 1"]);
  });

  test("are no matter where they do not get into the object, or only help to read it", () => {
    const text = `const Größe$ = struct({ a: u32 });
      export const m = array({ value: Größe$, entries: 1 });
      const verdoppelt$é = noinline((größe: u32): u32 => size(größe) * 2);
      function size($: u32): u32 { return $ + 1; }
      export const p = xdp((ctx) => { const é = m.lookup(0); return é && verdoppelt$é(é.a + ctx.length) > 9 ? XDP_DROP : XDP_PASS; });`;
    const { spec } = compile(file, { overlay: new Map([[file, IMPORTS + text]]) });
    const names = (spec.btf?.types ?? []).flatMap((type) =>
      "name" in type && typeof type.name === "string" ? [type.name] : [],
    );
    expect(names.filter((name) => /[^A-Za-z0-9_ ]/.test(name))).toEqual([]);
  });
});

describe("nesting that exhausts the compiler's stack", () => {
  test.each([
    ["parentheses", `const n = ${"(".repeat(20_000)}1${")".repeat(20_000)};`],
    ["operators", `const n = ${"1 + ".repeat(20_000)}1; export const p = xdp(() => (n ? XDP_PASS : XDP_DROP));`],
    ["blocks", `export const p = xdp(() => { ${"{".repeat(20_000)} ${"}".repeat(20_000)} return XDP_PASS; });`],
    [
      "else if",
      `export const p = xdp((ctx) => { ${"if (ctx.length === 1) return XDP_DROP; else ".repeat(20_000)} return XDP_PASS; });`,
    ],
  ])("of %s is said", (_, text) => {
    expect(codes(text)[0]).toMatch(/^WS4005/);
  });
});

test("an offset that a constant product carries beyond any packet is no packet", () => {
  const text = `export const p = xdp((ctx) => {
    for (let i = 0; i < 3; i++) if (ctx.at(u32, ctx.length + i * 4294967296)) return XDP_DROP;
    return XDP_PASS;
  });`;
  const { spec } = compile(file, { overlay: new Map([[file, IMPORTS + text]]) });
  const far = spec.programs.flatMap(({ functions }) => functions.flatMap(({ instructions }) => instructions));
  expect(far.filter(({ offset }) => Math.abs(offset) > 0x7fff)).toEqual([]);
});
