/** Putting an object into bpffs, with errors that say what is wrong about the path. */

import { lstatSync, mkdirSync, rmdirSync, unlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { WirescriptError } from "../errors.ts";
import { type Fd, objectPin } from "../sys/bpf.ts";
import { isErrno } from "../sys/errno.ts";
import { BPFFS_PATH, ensureBpffs, onBpffs, unmount } from "../sys/mount.ts";
import { checkPath } from "./arguments.ts";
import { type Pin, pinAt } from "./pins.ts";
import { denied } from "./privileges.ts";

/** `what`: for messages, e.g. "the map x". @throws WirescriptError for a bad or taken path, MAP for a map and USAGE for others; NO_PRIVILEGES. */
export function pinObject(fd: Fd, path: string, what: string): void {
  checkPath(path, `${upperFirst(what)} was not pinned.`);
  const refused = (why: string, fix: string, cause?: unknown) =>
    new WirescriptError({
      code: fd.kind === "map" ? "MAP" : "USAGE",
      what: `${upperFirst(what)} was not pinned at ${path}.`,
      why,
      fix,
      cause,
    });
  try {
    objectPin(fd, path);
  } catch (error) {
    if (isErrno(error, "EEXIST")) {
      throw refused("The path is taken.", "Choose another path, or remove the file that is there.", error);
    }
    if (isErrno(error, "ENOENT", "ENOTDIR")) {
      throw refused(`There is no directory ${dirname(path)}.`, "Make it in the bpffs first.", error);
    }
    if (isErrno(error, "EPERM", "EACCES") && path.slice(path.lastIndexOf("/")).includes(".")) {
      throw refused("bpffs allows no dots in names.", "Choose a name without dots.", error);
    }
    if (isErrno(error, "EPERM", "EACCES", "EINVAL") && !onBpffs(dirname(path))) {
      throw refused(`${dirname(path)} is not in a BPF file system.`, `Pin under ${BPFFS_PATH}.`, error);
    }
    if (isErrno(error, "EPERM", "EACCES")) throw denied(`${upperFirst(what)} may not be pinned at ${path}.`, error);
    throw error;
  }
}

/**
 * Removes a pin and tells what it was. What was pinned lives on only if something else uses it: a program that uses the map, a device that the
 * program is attached to, a process that has it open.
 *
 * @throws WirescriptError MAP when there is no pin at that path, NO_PRIVILEGES.
 */
export function unpin(path: string): Pin {
  checkPath(path, "No pin was removed.");
  const refused = (why: string, fix: string) =>
    new WirescriptError({ code: "MAP", what: `There is no pin at ${path}: nothing was removed.`, why, fix });
  const entry = lstatSync(path, { throwIfNoEntry: false });
  if (entry === undefined) throw refused("The file does not exist.", `List the pins: listPins(), ls -R ${BPFFS_PATH}`);
  if (!onBpffs(path)) throw refused("The file is not in a BPF file system.", `Pins are under ${BPFFS_PATH}.`);
  if (entry.isDirectory()) throw refused("It is a directory.", `Name what is in it; see ls ${path}`);
  const pin = pinAt(path);
  if (pin === null) throw refused("It is no map, program or link.", "Leave it: the kernel or another tool has put it there.");
  try {
    unlinkSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EPERM" || code === "EACCES") throw denied(`The pin ${path} may not be removed.`, cause);
    // Somebody else was quicker.
    if (code !== "ENOENT") throw cause;
  }
  return pin;
}

export interface PinDirectory {
  path: string;
  /** Where a bpffs was mounted for it; null when there was one. */
  mounted: string | null;
  /** Takes back what was made: directories (those that are empty) and the mount. */
  undo(): void;
}

/**
 * Makes the directory for pins. Under /sys/fs/bpf a missing bpffs is mounted; anywhere else it must be there.
 *
 * @throws WirescriptError USAGE when the path is not in a bpffs or has a dot in a name, NO_PRIVILEGES.
 */
export function ensurePinDirectory(directory: string): PinDirectory {
  checkPath(directory, "There is no directory for the pins.");
  const path = resolve(directory);
  let mounted: string | null = null;
  if (!onBpffs(path)) {
    if (path !== BPFFS_PATH && !path.startsWith(`${BPFFS_PATH}/`)) {
      throw new WirescriptError({
        code: "USAGE",
        what: `Maps cannot be pinned in ${path}.`,
        why: "It is not in a BPF file system, and only there can files keep maps alive.",
        fix: `Use a directory under ${BPFFS_PATH}, or mount one: mount -t bpf bpf DIRECTORY`,
      });
    }
    if (ensureBpffs(BPFFS_PATH).mounted) mounted = BPFFS_PATH;
  }
  let first: string | undefined;
  const undo = () => {
    if (first !== undefined) removeEmpty(path, first);
    if (mounted !== null) unmount(mounted);
  };
  try {
    first = mkdirSync(path, { recursive: true });
    return { path, mounted, undo };
  } catch (cause) {
    undo();
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "EPERM" && /\/[^/]*\./.test(path)) {
      throw new WirescriptError({
        code: "USAGE",
        what: `The directory ${path} cannot be made.`,
        why: "bpffs allows no dots in names.",
        fix: "Choose a pin directory without dots.",
        cause,
      });
    }
    if (code === "EPERM" || code === "EACCES") throw denied(`The directory ${path} cannot be made.`, cause);
    throw cause;
  }
}

/** Removes `path` and the directories above it up to `first`, as long as they are empty. */
function removeEmpty(path: string, first: string): void {
  for (let at = path; at.length >= first.length; at = dirname(at)) {
    try {
      rmdirSync(at);
    } catch {
      // Somebody else uses it by now.
      return;
    }
  }
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
