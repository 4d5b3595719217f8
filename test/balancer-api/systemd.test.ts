/** The systemd unit, as systemd itself judges it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { hasTool } from "../own-network.ts";

const UNIT = "wirescript-balancer.service";
const directory = mkdtempSync(join(tmpdir(), "wirescript-unit-"));
afterAll(() => rmSync(directory, { recursive: true }));

const analyze = hasTool("systemd-analyze");
const skipped = analyze ? "" : " (skipped: needs systemd-analyze)";

/** With a program that every host has in the place of ours. */
function unit(): string {
  const text = readFileSync(new URL(`../../docs/systemd/${UNIT}`, import.meta.url), "utf8");
  const path = join(directory, UNIT);
  writeFileSync(path, text.replace("/usr/bin/wirescript", process.execPath));
  return path;
}

test.skipIf(!analyze)(`systemd-analyze verify finds nothing to say${skipped}`, () => {
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", unit()], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});

test.skipIf(!analyze)(`systemd-analyze security calls its exposure low${skipped}`, () => {
  const args = ["security", "--offline=true", "--threshold=25", "--no-pager", unit()];
  const { status, stdout } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
  expect(status, stdout).toBe(0);
});
