/** What is pinned in BPF file systems, whoever pinned it. */

import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { linkInfo, mapInfo, objectGet, programInfo } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import { bpffsMounts } from "../sys/mount.ts";
import { checkPath } from "./arguments.ts";

export interface Pin {
  path: string;
  kind: "map" | "program" | "link";
  /** The kernel's id of what is pinned. */
  id: number;
}

/** All pins in a directory and below it, sorted by path; in all BPF file systems when no directory is given. @throws WirescriptError USAGE */
export function listPins(directory?: string): Pin[] {
  if (directory !== undefined) checkPath(directory, "The pins cannot be listed.");
  return directory === undefined ? [...new Set(bpffsMounts())].flatMap(pinsBelow) : pinsBelow(directory);
}

/** What is pinned at exactly this path; null when that is nothing. */
export function pinAt(path: string): Pin | null {
  // iproute2 leaves symbolic links in bpffs; what they lead to has a path of its own.
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return null;
  try {
    const fd = objectGet(path);
    using _ = fd;
    if (fd.kind === "map") return { path, kind: "map", id: mapInfo(fd).id };
    if (fd.kind === "program") return { path, kind: "program", id: programInfo(fd).id };
    return { path, kind: "link", id: linkInfo(fd).id };
  } catch (error) {
    // Gone meanwhile, an iterator, not ours to open, or not in a bpffs at all.
    if (error instanceof SyscallError) return null;
    throw error;
  }
}

function pinsBelow(directory: string): Pin[] {
  return names(directory).flatMap((name) => {
    const path = join(directory, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return pinsBelow(path);
    return pinAt(path) ?? [];
  });
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EPERM: bpffs allows no dots in names, so there is nothing of that name either.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EPERM" || code === "EACCES") return [];
    throw error;
  }
}
