/** Programs that we did not write, as judges of what we made: which of them are here, and running them in namespaces that die with them. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { onTestFinished } from "vitest";

/** Why tests with these tools cannot run, as a suffix to their title; "" when they can. "root" stands for privileges. */
export function lacking(...tools: string[]): string {
  const absent = tools.filter((tool) => (tool === "root" ? process.getuid?.() !== 0 : !onPath(tool)));
  return absent.length === 0 ? "" : ` (skipped: needs ${absent.join(", ")})`;
}

function onPath(tool: string): boolean {
  const path = `${process.env.PATH ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`;
  return path.split(delimiter).some((directory) => existsSync(join(directory, tool)));
}

/** Standard output of a program. Throws with its standard error when it fails. */
export function output(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stdout + stderr}`);
  return stdout;
}

/** Runs a shell script with a network, a /sys and a bpffs of its own, which vanish with it. Returns both of its outputs. */
export function isolated(script: string): string {
  const prepare = "set -e; mount -t sysfs sysfs /sys; mount -t bpf bpf /sys/fs/bpf; exec 2>&1;";
  return output("unshare", "--net", "--mount", "sh", "-c", `${prepare} ${script}`);
}

/** A directory that is gone when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "wirescript-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}
