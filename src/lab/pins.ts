/**
 * Where a lab's pinned BPF objects are: /sys/fs/bpf/NAME, as for any device of that name. What processes inside the lab see as
 * /sys/fs/bpf is the directory `inside` in it. So a pin made inside outlives the process that made it, is visible outside, does not
 * meet the pins of other labs (whose devices inside have the same names and numbers), and goes when the lab goes.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BPFFS_PATH, ensureBpffs, onBpffs } from "../sys/mount.ts";

export const pinDirectory = (name: string): string => join(BPFFS_PATH, name);

/** What processes inside see as /sys/fs/bpf. Made when needed, bpffs included. */
export function insidePinDirectory(name: string): string {
  ensureBpffs();
  const directory = join(pinDirectory(name), "inside");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** Removes the lab's pins. @returns false when there were none. */
export function removePins(name: string): boolean {
  const directory = pinDirectory(name);
  if (!existsSync(directory) || !onBpffs(directory)) return false;
  rmSync(directory, { recursive: true });
  return true;
}
