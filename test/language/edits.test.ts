/**
 * Random edits of valid modules: each gives diagnostics, never a crash and never a defect's message, or a program, and that the
 * kernel's verifier accepts.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import ts from "typescript";
import { expect, test } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { CompileError, type Diagnostic } from "../../src/compiler/diagnostics/diagnostic.ts";
import { loadSpec } from "../../src/index.ts";
import type { ObjectSpec } from "../../src/object/spec.ts";
import { noKernel } from "../kernel.ts";

const folder = "src/programs";
const documented = readFileSync("docs/language.md", "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm);
const modules = [
  ...readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8")),
  ...[...documented].map(([, text]) => text ?? ""),
].map((text) => text.replaceAll("./stats.bpf.ts", resolve(folder, "stats.bpf.ts")));

function tokens(text: string): { start: number; end: number }[] {
  const scanner = ts.createScanner(ts.ScriptTarget.ES2022, true, ts.LanguageVariant.Standard, text);
  const result = [];
  while (scanner.scan() !== ts.SyntaxKind.EndOfFileToken)
    result.push({ start: scanner.getTokenStart(), end: scanner.getTokenEnd() });
  return result;
}

interface Edit {
  module: number;
  kind: "delete" | "double" | "swap" | "truncate" | "replace";
  at: number;
  with: number;
}

function edited({ module, kind, at, with: other }: Edit): string {
  const text = modules[module % modules.length] ?? "";
  const all = tokens(text);
  const token = all[at % all.length];
  const second = all[other % all.length];
  if (token === undefined || second === undefined) return text;
  const piece = (place: { start: number; end: number }) => text.slice(place.start, place.end);
  const replaced = (place: { start: number; end: number }, by: string) =>
    text.slice(0, place.start) + by + text.slice(place.end);
  switch (kind) {
    case "delete":
      return replaced(token, "");
    case "double":
      return replaced(token, `${piece(token)} ${piece(token)}`);
    case "replace":
      return replaced(token, piece(second));
    case "truncate":
      return text.slice(0, token.start);
    case "swap": {
      const [first, last] = token.start < second.start ? [token, second] : [second, token];
      return text.slice(0, first.start) + piece(last) + text.slice(first.end, last.start) + piece(first) + text.slice(last.end);
    }
  }
}

const anyEdit: fc.Arbitrary<Edit> = fc.record({
  module: fc.nat(1000),
  kind: fc.constantFrom("delete", "double", "swap", "truncate", "replace"),
  at: fc.nat(10_000),
  with: fc.nat(10_000),
});

const file = resolve("edited.bpf.ts");

function outcome(text: string): { diagnostics: readonly Diagnostic[]; spec: ObjectSpec | null } {
  try {
    return { diagnostics: [], spec: compile(file, { overlay: new Map([[file, text]]) }).spec };
  } catch (error) {
    if (error instanceof CompileError) return { diagnostics: error.diagnostics, spec: null };
    throw error;
  }
}

test("random edits of valid modules give diagnostics, or a program that loads", () => {
  let loaded = 0;
  fc.assert(
    fc.property(anyEdit, (edit) => {
      const text = edited(edit);
      const { diagnostics, spec } = outcome(text);
      expect(
        diagnostics.filter((diagnostic) => diagnostic.code === "WS9001").map(({ what }) => what),
        text,
      ).toEqual([]);
      if (spec === null || noKernel !== null) return;
      using _object = loadSpec(spec);
      loaded++;
    }),
    { numRuns: Number(process.env.EDITS ?? 150), seed: Number(process.env.SEED ?? 1) },
  );
  if (noKernel === null) expect(loaded).toBeGreaterThan(0);
}, 600_000);
