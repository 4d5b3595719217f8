/** `wirescript status`: which programs for XDP and TC are on which devices. */

import { WirescriptError } from "../../errors.ts";
import { attachedTc, attachedXdp, type LinkHolders, type ProgramInfo, programInfo } from "../../index.ts";
import { holdersOfLinks } from "../../runtime/links/holders.ts";
import { mapById, mapInfo, unlessGone } from "../../sys/bpf.ts";
import { findLink, getLink, listLinks } from "../../sys/netlink/index.ts";
import { age } from "../age.ts";
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
  hook: "xdp" | "ingress" | "egress";
  /** For TC: "tcx" or "clsact". */
  mode: string;
  name: string;
  id: number;
  tag: string;
  loadedAt: string;
  /** The bpf_link that holds it; null when the device itself does. */
  linkId: number | null;
  /** Of that link. */
  holders: LinkHolders | null;
  /** Of a filter of clsact. */
  priority: number | null;
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
          describeMode(program),
          program.name,
          `${program.id}`,
          program.tag,
          age(Date.now() - Date.parse(program.loadedAt)),
          program.maps.flatMap(({ pins }) => pins).join(" ") || "-",
        ]),
  );
  sayTable(["Device", "Mode", "Program", "ID", "Tag", "Age", "Pinned maps"], rows);
}

/** "native", "ingress clsact 49152", "native, link 7: node 1234" */
function describeMode({ hook, mode, priority, linkId, holders }: ProgramStatus): string {
  const words = hook === "xdp" ? mode : [hook, mode, ...(priority === null ? [] : [priority])].join(" ");
  if (linkId === null) return words;
  const by = [...(holders?.processes ?? []).map(({ pid, command }) => `${command} ${pid}`), ...(holders?.pins ?? [])];
  return `${words}, link ${linkId}${by.length === 0 ? "" : `: ${by.join(", ")}`}`;
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
    const xdp = attachedXdp(ifindex).map((each): Attached => ({ hook: "xdp", priority: null, ...each }));
    const tc = attachedTc(ifindex).map(
      ({ id, name, tag, direction, via, linkId, filter }): Attached => ({
        hook: direction,
        mode: via,
        name,
        id,
        tag,
        linkId,
        priority: filter?.priority ?? null,
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
