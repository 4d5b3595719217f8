/** Where the command line pins maps, and removing what it pinned. */
import { rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { listPins } from "../runtime/pins.ts";
import { BPFFS_PATH } from "../sys/mount.ts";

/** The device's directory, as in the XDP tutorial. bpffs allows no dots in names, so that of eth0.1 is eth0_1. */
export function pinDirectoryOf(device: string): string {
  return join(BPFFS_PATH, device.replaceAll(".", "_"));
}

export interface PinnedMap {
  path: string;
  /** The pinned map's id. */
  mapId: number;
}

/** The maps pinned in a directory and below; in all BPF file systems when none is given. */
export function pinnedMaps(directory?: string): PinnedMap[] {
  return listPins(directory).flatMap(({ path, kind, id }) => (kind === "map" ? [{ path, mapId: id }] : []));
}

/** Removes pins, then their directory if nothing else is in it. Returns whether the directory went too. */
export function removePins(pins: readonly { path: string }[], directory: string): boolean {
  for (const { path } of pins) unlinkSync(path);
  try {
    rmdirSync(directory);
    return true;
  } catch {
    // Somebody else's pins are in it, or it was not there.
    return false;
  }
}
