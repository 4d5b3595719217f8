/** `wirescript unload`: takes the program off a device, and tells the truth about it. */
import { WirescriptError } from "../../errors.ts";
import { attachedXdp, detachXdp, programInfo } from "../../index.ts";
import { pinDirectoryOf, pinnedMaps, removePins } from "../pins.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { say } from "../terminal.ts";

export interface UnloadOptions {
  mode?: "native" | "skb";
  force?: boolean;
  keepPins?: boolean;
  pinPath?: string;
}

export async function unload(dev: string, options: UnloadOptions): Promise<void> {
  await mustBeAbleTo("detach programs");
  const directory = options.pinPath ?? pinDirectoryOf(dev);
  const present = attachedXdp(dev);
  const wanted = present.filter(({ mode }) => options.mode === undefined || mode === options.mode);
  if (wanted.length === 0) {
    const left = pinnedMaps(directory);
    const [other] = present;
    throw new WirescriptError({
      code: "NOTHING_ATTACHED",
      what: `There is no XDP program${options.mode === undefined ? "" : ` in ${options.mode} mode`} on ${dev}: nothing was removed.`,
      why:
        other === undefined
          ? "None is attached, or something else removed it."
          : `"${other.name}" (id ${other.id}) is attached there in ${other.mode} mode.`,
      fix:
        other !== undefined
          ? `Leave out --mode, or say --mode ${other.mode}.`
          : left.length > 0
            ? `Maps of an earlier program are still pinned; if nobody needs them: rm -r ${directory}`
            : "See what is attached where: wirescript status",
    });
  }
  const maps = new Set(wanted.flatMap(({ id }) => programInfo(id).mapIds));
  const removed = detachXdp(dev, { force: options.force === true });
  for (const { name, id, mode, linkId } of removed) {
    say(`Removed "${name}" (id ${id}) from ${dev}: ${mode} mode${linkId === null ? "" : `, held by bpf_link ${linkId}`}.`);
  }
  if (options.keepPins === true) return;
  const pins = pinnedMaps(directory).filter(({ mapId }) => maps.has(mapId));
  const emptied = removePins(pins, directory);
  for (const { path } of pins) say(`Unpinned ${path}.`);
  if (emptied) say(`Removed the empty directory ${directory}.`);
}
