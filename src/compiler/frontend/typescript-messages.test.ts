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

describe("what people write by habit", () => {
  const maps = `import { array, lpmTrie, be32 } from "wirescript/kernel";
const m = array({ value: u32, entries: 1 });
const trie = lpmTrie({ key: struct({ prefixLength: u32, address: be32 }), value: u32, entries: 1 });
const ports = [80, 443];`;
  const ip = "const ip = ctx.at(IPv4);\n  if (!ip) return XDP_DROP;\n ";
  test.each([
    ["if (ports.includes(ctx.length)) return XDP_DROP;", "Arrays have no `includes`", "`for (const element of ports)`"],
    ["let n = 0;\n  ports.forEach((x) => { n += x; });", "Arrays have no `forEach`", "`for (const element of ports)`"],
    ["const n = ports.map((x) => x).reduce((a, x) => a + x, 0);", "Arrays have no `map`", "`for (const element of ports)`"],
    ["if (m.get(0)) return XDP_DROP;", "`m` has no `get`", "`m.lookup(key)`"],
    ["if (m.has(5)) return XDP_DROP;", "`m` has no `has`", "`m.lookup(key) !== null`"],
    ["m.set(0, 1);", "`m` has no `set`", "`m.update(key, value)`"],
    ["const v = m.lookup(0);\n  if (v) v++;", "Cannot assign to 'v'", "`v.value++`"],
    ["const n = 1;\n  n++;", "Cannot assign to 'n'", "`let`"],
    [`${ip} if (trie.lookup(ip.src)) return XDP_DROP;`, "Argument of type 'u32'", "`{ prefixLength: 32, address: … }`"],
    [`${ip} if (ip.source) return XDP_DROP;`, "`ip` has no `source`.", "Did you mean `src`?"],
    ["if (ctx.len) return XDP_DROP;", "`ctx` has no `len`.", "Did you mean `length`?"],
    [`${ip} if (ip.zone) return XDP_DROP;`, "`ip` has no `zone`.", "It has `version`, `ihl`"],
  ])("%s", (statement, what, fix) => {
    expect(only(statement, maps)).toMatchObject({
      what: expect.stringContaining(what),
      fix: expect.stringContaining(fix),
    });
  });

  test.each([
    ["export const q = tc((ctx) => 0);", 'import { tc } from "wirescript/kernel";', "tc.ingress"],
    ["export const q = chain(xdp((ctx) => XDP_PASS));", "", 'import { chain } from "wirescript/kernel";'],
    ["export const q = Tcp.size;", "", 'import { Tcp } from "wirescript/net";'],
    ["export const q: XdpAction = XDP_PASS;", "", 'import { XdpAction } from "wirescript/kernel";'],
    [
      "export const q = tc.ingress((ctx) => 0);",
      'import { tc } from "wirescript/kernal";',
      "`wirescript/kernel` or `wirescript/net`",
    ],
  ])("in a module: %s", (declaration, imported, fix) => {
    expect(only("", `${imported}\n${declaration}`)).toMatchObject({ fix: expect.stringContaining(fix) });
  });
});

test("of an `any` only the type is reported", () => {
  expect(only("const x: any = ctx.length;\n  return x.foo ? XDP_DROP : XDP_PASS;").code).toBe("WS2005");
});

test("values that only their places tell apart are told apart", () => {
  const declarations = "const S = struct({ a: u32 });\nconst m = hash({ key: u32, value: S, entries: 1 });";
  expect(
    only("const v = ctx.length > 99 ? m.lookup(0) : ctx.at(S);\n  if (v && v.a) return XDP_DROP;", declarations),
  ).toMatchObject({
    code: "WS2007",
    what: "These values cannot be joined: a view of S or null in the packet here, a view of S or null in a map on another path.",
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
