import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { check } from "../compile.ts";
import { CATALOGUE, type DiagnosticCode, type Entry } from "./catalogue.ts";
import { format } from "./diagnostic.ts";
import { diagnosticsPage } from "./page.ts";

const IMPORTS = `import { array, atomicAdd, be32, bits, bloomFilter, bytes, csumDiff, fibLookup, lpmTrie, setting, hash, range, struct, trace, xdp, u8, u16, u32, u64, XDP_DROP, XDP_PASS } from "wirescript/kernel";
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

test("all errors are reported at once, each once", () => {
  const body =
    "function f(n: u32) {\n  while (n) { }\n  return n as u16;\n}\nexport const p = xdp((ctx) => f(1) + f(2));\nexport const q = xdp(() => 7);";
  const codes = diagnose(body).map((diagnostic) => diagnostic.code);
  expect(codes).toEqual(["WS1001", "WS1012", "TS2322", "TS2322"]);
});

test("docs/diagnostics.md says what the catalogue says (update it with `npx vitest run src/compiler/diagnostics -u`)", async () => {
  await expect(diagnosticsPage()).toMatchFileSnapshot(resolve("docs/diagnostics.md"));
});
