/** Workspaces are whole or not there, their modules compile where they lie, and editors understand them. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { failure } from "../../test/failure.ts";
import { compile } from "../compiler/compile.ts";
import { writeElf } from "../object/elf/write.ts";
import { TUTORIALS } from "./catalogue.ts";
import { makeWorkspace } from "./workspace.ts";

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "wirescript-workspace-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

test.each(Object.keys(TUTORIALS))("%s has its files and launchers, and each of its modules compiles", (name) => {
  const directory = join(temporaryDirectory(), "new");
  const { files } = makeWorkspace(name, directory);
  const there = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(there.map((entry) => join(entry.parentPath, entry.name)).sort()).toEqual(
    files.map((file) => join(directory, file)).sort(),
  );
  for (const launcher of ["wirescript", ...Object.keys(TUTORIALS[name]?.launchers ?? {})]) {
    expect(statSync(join(directory, launcher)).mode & 0o777, launcher).toBe(0o755);
  }
  for (const file of files.filter((each) => each.endsWith(".bpf.ts"))) {
    expect(readFileSync(join(directory, file), "utf8")).not.toContain("programs/");
    // It has counters for others to use, and no program.
    if (file.endsWith("stats.bpf.ts")) continue;
    expect(writeElf(compile(join(directory, file)).spec).length).toBeGreaterThan(0);
  }
});

const dist = resolve("dist/kernel/index.d.ts");
const unbuilt = existsSync(dist) ? "" : " (skipped: needs npm run build)";
test.skipIf(unbuilt !== "").each(Object.keys(TUTORIALS))(
  `%s: TypeScript's own compiler finds nothing wrong${unbuilt}`,
  (name) => {
    const directory = join(temporaryDirectory(), "new");
    makeWorkspace(name, directory);
    const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
    const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", directory], { encoding: "utf8" });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  },
);

test("an empty directory is filled, another one is left as it is", () => {
  const directory = temporaryDirectory();
  expect(makeWorkspace("packet03", directory).files).toContain("README.md");
  const before = readdirSync(directory);
  const error = failure(() => makeWorkspace("packet03", directory));
  expect(error).toMatchObject({ code: "USAGE", message: `${directory} is not empty, and was left as it is.` });
  expect(error.fix).toContain("Name another directory");
  expect(readdirSync(directory)).toEqual(before);
});

test("a file, a directory in nothing, and an unknown lesson are refused, and nothing is made", () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "file"), "");
  expect(failure(() => makeWorkspace("packet03", join(directory, "file")))).toMatchObject({
    code: "USAGE",
    why: "It is a file.",
  });
  expect(failure(() => makeWorkspace("packet03", join(directory, "no/where")))).toMatchObject({ code: "BAD_FILE" });
  expect(failure(() => makeWorkspace("packet03", join(directory, "file/below")))).toMatchObject({ code: "BAD_FILE" });
  for (const name of ["packet99", "constructor", ""]) {
    expect(failure(() => makeWorkspace(name, join(directory, "new")))).toMatchObject({
      code: "USAGE",
      why: `There is ${Object.keys(TUTORIALS).join(", ")}.`,
    });
  }
  expect(readdirSync(directory)).toEqual(["file"]);
});

test.skipIf(unbuilt !== "")(`a path with spaces and quotes works${unbuilt}`, () => {
  const directory = join(temporaryDirectory(), "it's a place");
  mkdirSync(directory);
  makeWorkspace("packet03", directory);
  expect(spawnSync(join(directory, "wirescript"), ["--version"], { encoding: "utf8" }).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
