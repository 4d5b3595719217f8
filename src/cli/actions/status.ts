/** `wirescript status`: which XDP programs are on which devices. */
import { attachedXdp, programInfo } from "../../index.ts";
import { mapById, mapInfo, unlessGone } from "../../sys/bpf.ts";
import { getLink, listLinks } from "../../sys/netlink/index.ts";
import { age } from "../age.ts";
import { pinnedMaps } from "../pins.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { table } from "../table.ts";
import { paint, say, sayJson } from "../terminal.ts";

interface DeviceStatus {
  dev: string;
  ifindex: number;
  programs: ProgramStatus[];
}

interface ProgramStatus {
  mode: string;
  name: string;
  id: number;
  tag: string;
  loadedAt: string;
  /** The bpf_link that holds it; null when it was attached by netlink. */
  linkId: number | null;
  maps: { id: number; name: string; pins: string[] }[];
}

export async function status(dev: string | undefined, options: { json?: boolean }): Promise<void> {
  await mustBeAbleTo("look at programs");
  const devices = readStatus(dev);
  if (options.json === true) {
    sayJson(devices);
    return;
  }
  const rows = devices.flatMap(({ dev, programs }) =>
    programs.length === 0
      ? [[dev, "-"]]
      : programs.map(({ mode, name, id, tag, loadedAt, linkId, maps }) => [
          dev,
          linkId === null ? mode : `${mode}, link ${linkId}`,
          name,
          `${id}`,
          tag,
          age(Date.now() - Date.parse(loadedAt)),
          maps.flatMap(({ pins }) => pins).join(" ") || "-",
        ]),
  );
  const [headings, ...lines] = table(["Device", "Mode", "Program", "ID", "Tag", "Age", "Pinned maps"], rows);
  say(paint("bold", headings ?? ""));
  for (const line of lines) say(line);
}

function readStatus(dev: string | undefined): DeviceStatus[] {
  const links = dev === undefined ? listLinks() : [getLink(dev)];
  const pins = links.some(({ xdp }) => xdp.length > 0) ? pinnedMaps() : [];
  return links.map(({ name, ifindex }) => ({
    dev: name,
    ifindex,
    programs: attachedXdp(ifindex).map(({ id, name, mode, linkId }) => {
      const { tag, loadedAt, mapIds } = programInfo(id);
      const maps = mapIds.flatMap((mapId) => {
        const fd = unlessGone(() => mapById(mapId));
        if (fd === null) return [];
        using map = fd;
        return [
          { id: mapId, name: mapInfo(map).name, pins: pins.filter((pin) => pin.mapId === mapId).map(({ path }) => path) },
        ];
      });
      return { mode, name, id, tag, loadedAt: loadedAt.toISOString(), linkId, maps };
    }),
  }));
}
