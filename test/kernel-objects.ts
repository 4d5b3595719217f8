/** What the kernel holds, as a test sees it from outside: a bpffs of its own, and bpftool's lists. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { ensureBpffs, unmount } from "../src/sys/mount.ts";

/** A directory with a bpffs, gone when the test ends. */
export function freshBpffs(): string {
  const directory = mkdtempSync(join(tmpdir(), "wirescript-"));
  ensureBpffs(directory);
  onTestFinished(() => {
    unmount(directory);
    rmSync(directory, { recursive: true });
  });
  return directory;
}

// biome-ignore lint/suspicious/noExplicitAny: the shape is bpftool's, and the expectations check it.
export function bpftool(...args: string[]): any {
  const output = execFileSync("bpftool", ["-j", ...args], { encoding: "utf8", maxBuffer: 1 << 26 });
  return output.trim() === "" ? null : JSON.parse(output);
}

/** Names of programs and maps in the kernel that contain `part`. */
export function namesInKernel(part: string): string[] {
  const names = ["prog", "map"].flatMap((kind) => (bpftool(kind, "show") as { name?: string }[]).map(({ name }) => name ?? ""));
  return names.filter((name) => name.includes(part)).sort();
}

/** Waits until no program and no map has `part` in its name: the kernel frees maps a moment after the last use. */
export async function expectGone(part: string): Promise<void> {
  await expect.poll(() => namesInKernel(part)).toEqual([]);
}
