/** That nothing imports TypeScript as an ES module, which takes Node.js longer than compiling a module takes us. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SOURCES = fileURLToPath(new URL("../../", import.meta.url));

test("TypeScript's code is reached through typescript.ts alone", () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  expect(files).toContain(join("compiler", "frontend", "typescript.ts"));
  const importing = files.filter((file) =>
    /^import (?!type\b).*"typescript";/m.test(readFileSync(join(SOURCES, file), "utf8")),
  );
  expect(importing).toEqual([]);
});
