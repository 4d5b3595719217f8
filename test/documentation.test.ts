/** Every TypeScript example of the documentation compiles, as the document says it does. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
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
