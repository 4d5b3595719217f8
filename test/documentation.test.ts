/** Every TypeScript example of the documentation compiles, as the document says it does. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { check } from "../src/compiler/compile.ts";
import { format } from "../src/compiler/diagnostics/diagnostic.ts";

/** The ```ts blocks, under the heading they stand below. */
function examples(document: string): { name: string; text: string }[] {
  const result: { name: string; text: string }[] = [];
  let heading = "";
  let block: string[] | null = null;
  for (const line of readFileSync(document, "utf8").split("\n")) {
    if (block !== null && line === "```") {
      result.push({ name: heading, text: block.join("\n") });
      block = null;
    } else if (block !== null) block.push(line);
    else if (line === "```ts") block = [];
    else if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
  }
  return result;
}

describe.each(["README.md", "docs/language.md"])("%s", (document) => {
  const found = examples(document);
  test("has examples", () => expect(found.length).toBeGreaterThan(0));
  for (const { name, text } of found) {
    test(name, () => {
      const file = resolve("example.bpf.ts");
      const diagnostics = check(file, { overlay: new Map([[file, text]]) });
      expect(diagnostics.map(format)).toEqual([]);
    });
  }
});

/** What TypeScript says about programs of user space, beside the kernel modules that they import. Files by name. */
function complaints(programs: ReadonlyMap<string, string>, modules: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(resolve("tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, resolve("."));
  const host = ts.createCompilerHost(options);
  const files = new Map([...modules, ...programs].map(([name, text]) => [resolve(name), text]));
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    const own = files.get(name);
    if (own === undefined) return getSourceFile(name, version, ...rest);
    return ts.createSourceFile(name, own, { languageVersion: ts.ScriptTarget.ES2023, impliedNodeFormat: ts.ModuleKind.ESNext });
  };
  const roots = [...programs.keys()].map((name) => resolve(name));
  const program = ts.createProgram(roots, { ...options, noUnusedLocals: false, noEmit: true }, host);
  return roots.flatMap((root) => {
    const file = program.getSourceFile(root);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) => `${root}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
    );
  });
}

describe.each([
  ["docs/maps.md", "watch.bpf.ts"],
  ["docs/attaching.md", "guard.bpf.ts"],
])("%s", (document, name) => {
  const found = examples(document);
  const isUserSpace = ({ text }: { text: string }) => /from "wirescript"/.test(text);
  const modules = new Map(found.filter((each) => !isUserSpace(each)).map(({ text }) => [name, text]));
  const programs = new Map(found.filter(isUserSpace).map(({ text }, index) => [`user-space-${index}.ts`, text]));

  test("has a kernel module, which compiles", () => {
    const overlay = new Map([...modules].map(([name, text]) => [resolve(name), text]));
    expect([...overlay.keys()].flatMap((file) => check(file, { overlay }).map(format))).toEqual([]);
    expect(modules.size).toBe(1);
  });

  test("has programs of user space, which type-check", () => {
    expect(programs.size).toBeGreaterThan(1);
    expect(complaints(programs, modules)).toEqual([]);
  });
});
