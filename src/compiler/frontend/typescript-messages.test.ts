/** What TypeScript finds, in the words of kernel code. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check } from "../compile.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";

const IMPORTS = `import { bits, bytes, hash, setting, struct, type i16, type u8, type u16, u32, type u64, type View, XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet, IPv4 } from "wirescript/net";
`;

function only(statements: string, declarations = ""): Diagnostic {
  const file = resolve("message.bpf.ts");
  const text = `${IMPORTS}${declarations}\nexport const p = xdp((ctx) => {\n  const eth = ctx.at(Ethernet);\n  if (!eth) return XDP_DROP;\n  ${statements}\n  return XDP_PASS;\n});`;
  const found = check(file, { overlay: new Map([[file, text]]) });
  expect(found).toHaveLength(1);
  return found[0] as Diagnostic; // its length is checked
}

describe("integers that do not fit", () => {
  const why = "Not every u32 fits u8.";
  const fix = "Convert it with a cast, which keeps the lowest bits: `u8(x)`.";
  test.each([
    ["a variable", "const a: u8 = ctx.length;", "Type 'u32' is not assignable to type 'u8'.", ""],
    ["a field", "const a: { b: u8 } = { b: ctx.length };", "Type 'u32' is not assignable to type 'u8'.", ""],
    [
      "an argument",
      "f(ctx.length);",
      "Argument of type 'u32' is not assignable to parameter of type 'u8'.",
      "function f(_a: u8): void {}",
    ],
    ["one that may be null", "const a: u8 | null = ctx.length;", "Type 'u32' is not assignable to type 'u8 | null'.", ""],
  ])("in %s", (_, statement, what, declarations) => {
    expect(only(statement, declarations)).toMatchObject({ what, why, fix });
  });

  test("what is no number, among it a reference to a map's scalar", () => {
    const operators = expect.stringMatching(/`\.value`.*parentheses/);
    expect(only("if (ctx.length & 1 === 1) return XDP_DROP;")).toMatchObject({ fix: operators });
    expect(only("let v = ctx.at(u32);\n  if (v) v++;")).toMatchObject({ fix: operators });
    expect(only("if (htons(53) === ctx.length) return XDP_DROP;")).toMatchObject({
      fix: expect.stringContaining("host order"),
    });
  });

  test("bigints", () => {
    expect(only("const a: u64 = 5n;\n  if (a) return XDP_DROP;")).toMatchObject({ fix: expect.stringContaining("in a cast") });
    expect(only("if (ctx.length + 5n) return XDP_DROP;")).toMatchObject({ fix: expect.stringContaining("in a cast") });
  });
});

describe("types under the names of the source", () => {
  const declarations =
    "const Key = struct({ a: u32, b: bits(8), c: bytes(6), d: Ethernet });\nconst m = hash({ key: Key, value: u32, entries: 1 });";
  test.each([
    ["m.lookup(7);", declarations],
    ["m.lookup({ a: 1 });", declarations],
    ["const a: View<typeof IPv4> = eth;", ""],
    ["let a = Ethernet;\n  a = IPv4;", ""],
    ["const a: u16 = eth.src;", ""],
    ["const a: (n: u16) => u8 = (n: u16) => ctx.length;", ""],
    ["const s: i16 = eth.type;", ""],
  ])("%s", (statement, declared) => {
    const { what, why = "" } = only(statement, declared);
    expect(what + why).not.toMatch(/flavour|Scalar<|BytesSchema|BitsSchema|Struct<|Given<|"u8"/);
  });
});

test("a member of an overlay is assigned to by its name", () => {
  const overlays =
    'import { overlay } from "wirescript/kernel";\nconst Peer = struct({ a: overlay({ v4: u32, v6: bytes(16) }) });';
  expect(only("const q = ctx.at(Peer);\n  if (q) q.a = { v4: 3 };", overlays)).toMatchObject({
    code: "TS2741",
    fix: expect.stringContaining("`q.a.v4 = …`"),
  });
});

describe("globals that are not there", () => {
  test.each([
    ["console.log(1);", "console", "trace"],
    ["if (Math.max(1, 2)) return XDP_DROP;", "Math", "getPrandomU32"],
    ["if (Date.now()) return XDP_DROP;", "Date", "ktimeGetNs"],
    ["process.exit(1);", "process", "setting"],
    ["if (Promise) return XDP_DROP;", "Promise", "language.md"],
  ])("%s", (statement, name, use) => {
    expect(only(statement)).toMatchObject({
      what: `There is no \`${name}\` in the kernel.`,
      fix: expect.stringContaining(use),
    });
  });

  test("misspelled names", () => {
    expect(only("return XDP_PAS;")).toMatchObject({
      what: "Cannot find name 'XDP_PAS'.",
      fix: expect.stringContaining("`XDP_PASS`"),
    });
  });
});
