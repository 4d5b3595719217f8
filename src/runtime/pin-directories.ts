/**
 * Where the maps of an object are shared. Maps that are pinned by name go to the directory that the caller gives. Objects
 * written for `tc` and `ip` name a place themselves: `globals` for all objects, or a folder of their own. Source: iproute2's
 * bpf_legacy.c.
 */
import { symlinkSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { MapSpec, ObjectSpec } from "../object/spec.ts";
import { BPFFS_PATH } from "../sys/mount.ts";
import { ensurePinDirectory } from "./pin.ts";
import { pinPathOf } from "./pinned-map.ts";
import type { Undo } from "./undo.ts";

const TC_PIN_PATH = join(BPFFS_PATH, "tc");

export class PinDirectories {
  /** Where a bpffs was mounted for them; null when there was one, or none is needed. */
  readonly mounted: string | null;
  readonly #directories: Partial<Record<MapSpec["pinning"], string>>;

  /**
   * Makes those that `spec` needs. Without `pinPath` there are none.
   *
   * @throws WirescriptError USAGE when a path is not in a bpffs, NO_PRIVILEGES.
   */
  constructor(spec: ObjectSpec, pinPath: string | undefined, tcPinPath: string | undefined, undo: Undo) {
    const tc = tcPinPath ?? TC_PIN_PATH;
    const all = { none: undefined, "by-name": pinPath, global: join(tc, "globals"), object: join(tc, spec.hash ?? "objects") };
    const needed = new Set(pinPath === undefined ? [] : spec.maps.map(({ pinning }) => pinning));
    this.#directories = {};
    let mounted: string | null = null;
    for (const pinning of needed) {
      const path = all[pinning];
      if (path === undefined) continue;
      const directory = ensurePinDirectory(path);
      undo.push(directory.undo);
      mounted ??= directory.mounted;
      this.#directories[pinning] = directory.path;
      if (pinning === "global") linkForXdp(tc, undo);
    }
    this.mounted = mounted;
  }

  /** Where the map is pinned, or will be; null when it is not to be shared. */
  pathOf({ name, pinning }: MapSpec): string | null {
    const directory = this.#directories[pinning];
    return directory === undefined ? null : pinPathOf(directory, name);
  }
}

/**
 * iproute2 keeps the maps of XDP programs where those of TC programs are, under a second name: programs look for them there.
 */
function linkForXdp(tc: string, undo: Undo): void {
  const path = join(dirname(tc), "xdp");
  try {
    symlinkSync("tc/", path);
    undo.push(() => unlinkSync(path));
  } catch (error) {
    // Somebody made it, or uses the name for something else: it is a convenience.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
