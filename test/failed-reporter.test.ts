/** The last lines of a run of tests: who reads no more than these knows what failed. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const REPORTERS = ["skipped", "failed"].map((name) => `--reporter=${resolve(`scripts/${name}-reporter.js`)}`);

/** The last lines of a run of one file, beginning with how much failed. */
function endOf(text: string, ...options: string[]): string[] {
  const directory = mkdtempSync(join(tmpdir(), "wirescript-reporter-"));
  try {
    writeFileSync(join(directory, "some.test.js"), text);
    const args = [resolve("node_modules/vitest/vitest.mjs"), "run", "--globals", "--root", directory];
    const { stdout } = spawnSync(process.execPath, [...args, "--reporter=default", ...REPORTERS, ...options], {
      encoding: "utf8",
    });
    const lines = stdout.trimEnd().split("\n");
    return lines.slice(
      lines.findLastIndex((line) => /^(\d+ failed:|\d+ worked only|No test was skipped|1 test was skipped)/.test(line)),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("the last lines name every test that failed, with its file, and groups that could not begin", () => {
  const text = `
    describe("a group", () => {
      test("that works", () => {});
      test("that fails", () => { throw new Error("first line\\nsecond line"); });
    });
    test("another", () => expect(1).toBe(2));
    test.skip("left out", () => {});
    describe("a group without a beginning", () => {
      beforeAll(() => { throw new Error("nothing there"); });
      test("never begun", () => {});
    });`;
  expect(endOf(text)).toEqual([
    "3 failed:",
    "- some.test.js > a group without a beginning",
    "    nothing there",
    "- some.test.js > a group > that fails",
    "    first line",
    "- some.test.js > another",
    "    expected 1 to be 2 // Object.is equality",
  ]);
});

test("a file that cannot be read has failed, and so has what goes wrong outside of tests", () => {
  expect(endOf("test(")).toEqual(["1 failed:", "- some.test.js", expect.stringMatching(/\S/)]);
  const stray =
    'test("begins something", async () => { setTimeout(() => { throw new Error("stray"); }); await new Promise((done) => setTimeout(done, 100)); });';
  expect(endOf(stray)).toEqual(["1 failed:", "- outside of tests", "    stray"]);
});

test("what works only when tried again is named, with what was wrong at first", () => {
  const text = 'let tries = 0; test("works sometimes", () => expect(++tries).toBe(2)); test("works", () => {});';
  expect(endOf(text, "--retry=1")).toEqual([
    "1 worked only when tried again:",
    "- some.test.js > works sometimes",
    "    expected 1 to be 2 // Object.is equality",
  ]);
});

test("nothing is said when nothing failed", () => {
  expect(endOf('test("works", () => {});')).toEqual(["No test was skipped."]);
});
