/** The compiler takes the package's own modules for right, whoever imports them: here each is compiled for itself. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { check } from "../../src/compiler/compile.ts";

const FOLDER = "src/net";
const modules = readdirSync(FOLDER).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));

test.each(modules)("%s is kernel code; all that it lacks is a program", (name) => {
  expect(check(join(FOLDER, name)).map(({ code }) => code)).toEqual(["WS3001"]);
});
