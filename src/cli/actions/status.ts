/** `wirescript status`: which programs for XDP and TC are on which devices. */

import { WirescriptError } from "../../errors.ts";
import {
  type Attachment,
  attachedTc,
  attachedXdp,
  describeHook,
  type LinkHolders,
  type ProgramInfo,
  programInfo,
} from "../../index.ts";
import { holdersOfLinks } from "../../runtime/links/holders.ts";
import { mapById, mapInfo, unlessGone } from "../../sys/bpf.ts";
import { findLink, getLink, listLinks } from "../../sys/netlink/index.ts";
import { age } from "../age.ts";
import { heldBy } from "../holders.ts";
import { enterNetwork } from "../network.ts";
import { type PinnedMap, pinnedMaps } from "../pins.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { sayTable } from "../table.ts";
import { sayJson } from "../terminal.ts";

export interface StatusOptions {
  json?: boolean;
  netns?: string;
}

interface DeviceStatus {
  dev: string;
  ifindex: number;
  programs: ProgramStatus[];
}

interface ProgramStatus {
  hook: Attachment["hook"];
  /** Of XDP: "native", "skb" or "hw"; null for TC. */
  mode: string | null;
  name: string;
  id: number;
  tag: string;
  loadedAt: string;
  /** The bpf_link that holds it; null when the device itself does. */
  linkId: number | null;
  /** Of that link. */
  holders: LinkHolders | null;
  /** Of a clsact filter. */
  filter: Attachment["filter"];
  maps: { id: number; name: string; pins: string[] }[];
}

/** A program on a device, of either hook. */
type Attached = Omit<ProgramStatus, "loadedAt" | "holders" | "maps">;

export async function status(dev: string | undefined, options: StatusOptions): Promise<void> {
  await mustBeAbleTo("look at programs");
  enterNetwork(options.netns);
  const devices = readStatus(dev);
  if (options.json === true) {
    sayJson(devices);
    return;
  }
  const rows = devices.flatMap(({ dev, programs }) =>
    programs.length === 0
      ? [[dev, "-"]]
      : programs.map((program) => [
          dev,
          describeHook(program),
          program.name,
          `${program.id}`,
          program.tag,
          age(Date.now() - Date.parse(program.loadedAt)),
          heldBy(program.linkId, program.holders),
          program.maps.flatMap(({ pins }) => pins).join(" ") || "-",
        ]),
  );
  sayTable(["Device", "Hook", "Program", "ID", "Tag", "Age", "Held by", "Pinned maps"], rows);
}

/** Devices and programs that go while they are looked at are left out. */
function readStatus(dev: string | undefined): DeviceStatus[] {
  const links = dev === undefined ? listLinks() : [getLink(dev)];
  const found = links.map(({ name, ifindex }) => ({ dev: name, ifindex, attached: attachedOn(ifindex) }));
  const all = found.flatMap(({ attached }) => attached);
  const pins = all.length > 0 ? pinnedMaps() : [];
  const holders = all.some(({ linkId }) => linkId !== null) ? holdersOfLinks() : new Map<number, LinkHolders>();
  return found.map(({ dev, ifindex, attached }) => {
    const programs = attached.flatMap((each) => {
      const info = unlessUnloaded(each.id);
      if (info === null) return [];
      const held = each.linkId === null ? null : (holders.get(each.linkId) ?? { processes: [], pins: [] });
      return [{ ...each, loadedAt: info.loadedAt.toISOString(), holders: held, maps: mapsOf(info, pins) }];
    });
    return { dev, ifindex, programs };
  });
}

function attachedOn(ifindex: number): Attached[] {
  try {
    const xdp = attachedXdp(ifindex).map((each): Attached => ({ hook: "xdp", filter: null, ...each }));
    const tc = attachedTc(ifindex).map(
      ({ id, name, tag, direction, via, linkId, filter }): Attached => ({
        hook: `${via} ${direction}`,
        mode: null,
        name,
        id,
        tag,
        linkId,
        filter: filter === null ? null : { priority: filter.priority, handle: filter.handle },
      }),
    );
    return [...xdp, ...tc];
  } catch (error) {
    if (findLink(ifindex) === null) return [];
    throw error;
  }
}

function unlessUnloaded(id: number): ProgramInfo | null {
  try {
    return programInfo(id);
  } catch (error) {
    if (error instanceof WirescriptError && error.code === "NO_SUCH_PROGRAM") return null;
    throw error;
  }
}

function mapsOf({ mapIds }: ProgramInfo, pins: readonly PinnedMap[]): ProgramStatus["maps"] {
  return mapIds.flatMap((mapId) => {
    const fd = unlessGone(() => mapById(mapId));
    if (fd === null) return [];
    using map = fd;
    return [{ id: mapId, name: mapInfo(map).name, pins: pins.filter((pin) => pin.mapId === mapId).map(({ path }) => path) }];
  });
}
