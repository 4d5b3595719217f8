import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import * as kernel from "../../kernel/index.ts";
import { check } from "../compile.ts";
import { CATALOGUE, type DiagnosticCode, type Entry } from "./catalogue.ts";
import { format } from "./diagnostic.ts";
import { diagnosticsPage } from "./page.ts";
import { REMEDIES } from "./remedies.ts";

/** Everything that there is: examples leave the imports out. */
const IMPORTS = `import { ${Object.keys(kernel).join(", ")}, type View, type XdpContext } from "wirescript/kernel";
import { Ethernet } from "wirescript/net";
`;

const entries = Object.entries(CATALOGUE) as [DiagnosticCode, Entry][];

function diagnose(body: string) {
  const file = resolve("example.bpf.ts");
  return check(file, { overlay: new Map([[file, IMPORTS + body]]) });
}

describe("every diagnostic's example gives that diagnostic", () => {
  for (const [code, { example }] of entries) {
    if (example === null) continue;
    test(code, () => {
      const diagnostics = diagnose(example);
      const found = diagnostics.find((diagnostic) => diagnostic.code === code);
      expect(found, diagnostics.map(format).join("\n")).toBeDefined();
      expect(found?.what).not.toMatch(/\{\w+\}/);
      expect(found?.why).toBeTruthy();
      expect(found?.fix).toBeTruthy();
    });
  }
});

test("every example's diagnostics stand where they belong (places.txt, updated as the page is)", async () => {
  const lines = entries.flatMap(([code, { example }]) => {
    if (example === null) return [`${code}: no module shows it`];
    return diagnose(example).map((found) => {
      const marked = found.text.slice(found.column - 1, found.endLine > found.line ? undefined : found.endColumn - 1);
      const place = found.line === 0 ? "the module" : `line ${found.line - 2}, ${marked}`;
      return `${code}: ${found.code} at ${place}`;
    });
  });
  await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(resolve("src/compiler/diagnostics/places.txt"));
});

describe("following the advice mends the example", () => {
  for (const [code, { example }] of entries) {
    const remedy = REMEDIES[code];
    if (remedy !== undefined) test(code, () => expect(diagnose(remedy).map(format)).toEqual([]));
    // Engineers of other parts number from 60 on, and show theirs in their own tests.
    else if (example !== null && Number(code.slice(4)) < 60) {
      test(code, () => expect.fail("it has no remedy in remedies.ts"));
    }
  }
});

test("a diagnostic shows the place, the line with a marker, what, why and fix", () => {
  const [diagnostic] = diagnose("export const p = xdp((ctx) => {\n  while (ctx.length > 0) { }\n  return XDP_PASS;\n});");
  expect(diagnostic && format(diagnostic)).toBe(
    [
      "example.bpf.ts:4:3 WS1001: `while` loops are not supported.",
      "    |",
      "  4 |   while (ctx.length > 0) { }",
      "    |   ^^^^^^^^^^^^^^^^^^^^^^^^^^",
      "  why: The kernel must see that a loop ends, and how often it runs at most.",
      "  fix: Use `for (let i = 0; i < LIMIT; i++)` with a constant limit, and `break` when you are done.",
    ].join("\n"),
  );
});

test("a second place is shown where it explains the first, and how the code was reached", () => {
  const [diagnostic] = diagnose(`function f(ctx: XdpContext): u32 {
  const eth = ctx.at(Ethernet);
  if (!eth || !ctx.adjustHead(4)) return 0;
  return eth.type;
}
export const p = xdp((ctx) => (f(ctx) ? XDP_DROP : XDP_PASS));`);
  expect(diagnostic && format(diagnostic)).toBe(
    [
      "example.bpf.ts:6:10 WS2022: This view is dead: `ctx.adjustHead(4)` in line 5 moved the packet.",
      "    |",
      "  6 |   return eth.type;",
      "    |          ^^^^^^^^",
      "  example.bpf.ts:5:16: the packet moved here",
      "    |",
      "  5 |   if (!eth || !ctx.adjustHead(4)) return 0;",
      "    |                -----------------",
      "  example.bpf.ts:8:32: `f` is called here",
      "    |",
      "  8 | export const p = xdp((ctx) => (f(ctx) ? XDP_DROP : XDP_PASS));",
      "    |                                ------",
      "  why: The kernel forgets every address in the packet when its start or end moves.",
      "  fix: Call `ctx.at` again after it.",
    ].join("\n"),
  );
});

test("all errors are reported at once, each once", () => {
  const body =
    "function f(n: u32) {\n  while (n) { }\n  return n as u16;\n}\nexport const p = xdp((ctx) => f(1) + f(2));\nexport const q = xdp(() => 7);";
  const codes = diagnose(body).map((diagnostic) => diagnostic.code);
  expect(codes).toEqual(["WS1001", "WS1012", "TS2322", "TS2322"]);
});

test("errors of all phases are reported at once: types, the subset, values, records, limits of the kernel", () => {
  const big = "{ a: bytes(128), b: bytes(128), c: bytes(128), d: bytes(136) }";
  const large = (name: string) =>
    `export const ${name} = xdp((ctx) => {\nconst e = n.lookup(1);\nreturn e && m.lookup({ a: e.a, b: e.b, c: e.c, d: e.d }) ? XDP_DROP : XDP_PASS;\n});`;
  const codes = diagnose(`const Big = struct(${big});
const m = hash({ key: Big, value: u32, entries: 1 });
const n = hash({ key: u32, value: Big, entries: 1 });
const events = ringBuffer({ value: u64, bytes: 4096 });
${large("first")}
export const record = xdp(() => {
  const e = events.reserve();
  return e ? XDP_PASS : XDP_DROP;
});
const f = noinline((ctx: XdpContext): u32 => ctx.at(u8, 70000)?.value ?? 0);
export const reach = xdp((ctx) => (f(ctx) === 1 ? XDP_DROP : XDP_PASS));
export const type = xdp(() => 7);
export const loop = xdp((ctx) => {
  while (ctx.length > 9) { }
  return XDP_PASS;
});
${large("last")}`).map(({ code }) => code);
  expect(codes).toEqual(["WS4001", "WS2070", "WS4002", "TS2322", "WS1001", "WS4001"]);
});

describe("what follows from an error is not said, and what is wrong besides is", () => {
  const lines = (body: string) => diagnose(body).map(({ code, line }) => `${code} in line ${line - 2}`);

  test("a name whose value could not be compiled, in all that is made of it", () => {
    expect(
      lines(`export const p = xdp((ctx) => {
  const a = ctx.at(Ethernet, 70000);
  let b = 1;
  b = csumDiff(null, bytes(3)(1, 2, 3), 0);
  if (a && b && a.src.equals(a.dst)) return XDP_DROP;
  return ctx.at(u8, b * 70000) ? XDP_PASS : XDP_DROP;
});`),
    ).toEqual(["WS4002 in line 2", "WS2015 in line 4"]);
  });

  test("both operands, all arguments, both arms, conditions and what depends on them, bodies of loops, clauses of switches", () => {
    expect(
      lines(`function f(a: u32, b: u32): u32 { return a + b; }
export const p = xdp((ctx) => {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_DROP;
  const n = eth.src[6]! +
    eth.src[7]!;
  const m = f(eth.src[8] as u8,
    eth.src[9] ?? 0);
  if (eth.dst === eth.src) {
    if (eth.src[10] === 1) return XDP_DROP;
  }
  for (let i = 0; i < n; i++) {
    if (eth.src[11] === 1) return XDP_DROP;
  }
  switch (eth.src[12]) {
    case 1:
      return eth.src[13] ? XDP_PASS : XDP_DROP;
  }
  return m ? XDP_PASS : XDP_DROP;
});`),
    ).toEqual([
      "WS1011 in line 5",
      "WS1011 in line 6",
      "WS1012 in line 7",
      "WS2009 in line 8",
      "WS2013 in line 9",
      "WS2009 in line 10",
      "WS2009 in line 13",
      "WS2009 in line 15",
      "WS2009 in line 17",
    ]);
  });

  test("a function with wrong types, and what calls it; the others are compiled", () => {
    expect(
      lines(`function f(ctx: XdpContext): u16 {
  const n: u8 = ctx.length;
  return ctx.at(u8, 70000) ? n : 0;
}
import { gone } from "./gone.bpf.ts";
export const p = xdp((ctx) => (f(ctx) || gone(1) ? XDP_PASS : XDP_DROP));
export const q = xdp((ctx) => (ctx.at(u8, 70000) ? XDP_PASS : XDP_DROP));`),
    ).toEqual(["TS2322 in line 2", "TS2307 in line 5", "WS4002 in line 7"]);
  });

  test("where the text is no TypeScript, only that is said", () => {
    expect(lines("export const p = xdp((ctx) => {\n  while (ctx.length) { }\n  return XDP_PASS +;\n});")).toEqual([
      "TS1109 in line 3",
    ]);
  });
});

test("docs/diagnostics.md says what the catalogue says (update it with `npx vitest run src/compiler/diagnostics -u`)", async () => {
  await expect(diagnosticsPage()).toMatchFileSnapshot(resolve("docs/diagnostics.md"));
});
