/** Where the command line pins maps, and what is pinned there. */
import { lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { mapInfo, objectGet } from "../sys/bpf.ts";
import { SyscallError } from "../sys/errno.ts";
import { BPFFS_PATH } from "../sys/mount.ts";

/** The device's directory, as in the XDP tutorial. bpffs allows no dots in names, so that of eth0.1 is eth0_1. */
export function pinDirectoryOf(device: string): string {
  return join(BPFFS_PATH, device.replaceAll(".", "_"));
}

export interface Pin {
  path: string;
  /** The pinned map's id. */
  mapId: number;
}

/** The maps pinned in a directory and below. Other pinned objects, and directories that are not there, do not count. */
export function pinnedMaps(directory: string = BPFFS_PATH): Pin[] {
  return list(directory).flatMap((name): Pin[] => {
    const path = join(directory, name);
    const entry = lstatSync(path, { throwIfNoEntry: false });
    if (entry?.isDirectory() === true) return pinnedMaps(path);
    // iproute2 leaves symbolic links here.
    if (entry?.isFile() !== true) return [];
    const mapId = mapIdAt(path);
    return mapId === null ? [] : [{ path, mapId }];
  });
}

/** Removes pins, then their directory if nothing else is in it. Returns whether the directory went too. */
export function removePins(pins: readonly Pin[], directory: string): boolean {
  for (const { path } of pins) unlinkSync(path);
  try {
    rmdirSync(directory);
    return true;
  } catch {
    // Somebody else's pins are in it, or it was not there.
    return false;
  }
}

function mapIdAt(path: string): number | null {
  try {
    using fd = objectGet(path);
    return fd.kind === "map" ? mapInfo(fd).id : null;
  } catch (error) {
    // Gone meanwhile, an iterator, or not in a bpffs at all.
    if (error instanceof SyscallError) return null;
    throw error;
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EPERM: bpffs allows no dots in names, so there is nothing of that name either.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EPERM") return [];
    throw error;
  }
}
