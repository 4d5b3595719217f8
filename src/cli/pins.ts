/** Where the command line pins maps, and removing what it pinned. */
import { rmdirSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { listPins } from "../runtime/pins.ts";
import { BPFFS_PATH } from "../sys/mount.ts";

/**
 * The device's directory, as in the XDP tutorial. bpffs allows no dots in names, so that of eth0.1 is eth0_1. `network` is what `enterNetwork`
 * gave: devices of the same name in other namespaces have directories of their own.
 */
export function pinDirectoryOf(device: string, network: string | null = null): string {
  const parts = network === null ? [device] : [`netns-${network}`, device];
  return join(BPFFS_PATH, ...parts.map((part) => part.replaceAll(".", "_")));
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
  return removeIfEmpty(directory);
}

/** Removes a device's directory if nothing is in it, and then that of its namespace. Returns whether it went. */
export function removeIfEmpty(directory: string): boolean {
  try {
    rmdirSync(directory);
  } catch {
    // Somebody else's pins are in it, or it was not there.
    return false;
  }
  if (basename(dirname(directory)).startsWith("netns-")) removeIfEmpty(dirname(directory));
  return true;
}
