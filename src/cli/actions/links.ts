/** `wirescript links`: what is attached where, and who holds it. */
import { type Attachment, describeHook, isDeviceLink, listAttachments, listBpfLinks } from "../../runtime/attachments.ts";
import { holdersOfLinks, type LinkHolders } from "../../runtime/links/holders.ts";
import { programById, programInfo, unlessGone } from "../../sys/bpf.ts";
import { holderNames } from "../holders.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { sayTable } from "../table.ts";
import { sayJson } from "../terminal.ts";

interface Row extends LinkHolders {
  /** Null for what is attached without a link. */
  linkId: number | null;
  /** `enum bpf_link_type` in words; null without a link. */
  type: string | null;
  /** "xdp", "tcx ingress", "clsact egress", or the type of a link that is not for devices. */
  hook: string;
  mode: string | null;
  /** Null for links that are not for devices, or whose device is gone. */
  dev: string | null;
  ifindex: number | null;
  netns: string | null;
  program: { id: number; name: string } | null;
  filter: Attachment["filter"];
}

export async function links({ json }: { json?: boolean }): Promise<void> {
  await mustBeAbleTo("look at links");
  const rows = readRows();
  if (json === true) return sayJson(rows);
  const lines = rows.map(({ linkId, hook, mode, dev, netns, program, filter, pins, processes }) => [
    linkId === null ? "-" : `${linkId}`,
    describeHook({ hook, mode, filter }),
    dev ?? "-",
    netns ?? "-",
    program === null ? "-" : `${program.name || "(no name)"} (${program.id})`,
    linkId === null ? "the device" : holderNames({ pins, processes }) || "-",
  ]);
  sayTable(["Link", "Hook", "Device", "Namespace", "Program", "Held by"], lines);
}

function readRows(): Row[] {
  const known = listBpfLinks();
  const attachments = listAttachments(known);
  const holders = holdersOfLinks();
  const held = (linkId: number | null): LinkHolders =>
    (linkId === null ? undefined : holders.get(linkId)) ?? { pins: [], processes: [] };
  const types = new Map<number | null, string>(known.map(({ id, type }) => [id, type]));
  const placed = attachments.map(
    ({ programId, ...place }): Row => ({
      ...place,
      type: types.get(place.linkId) ?? null,
      program: programOf(programId),
      ...held(place.linkId),
    }),
  );
  const seen = new Set(placed.map(({ linkId }) => linkId));
  // What is in no list of a device: links of other kinds, of devices that are gone, and of namespaces without a name.
  const others = known
    .filter(({ id }) => !seen.has(id))
    .map((link): Row => {
      const gone = isDeviceLink(link) && link.ifindex === 0;
      return {
        linkId: link.id,
        type: link.type,
        hook: [link.type, ...(link.direction === null ? [] : [link.direction])].join(" ") + (gone ? " (detached)" : ""),
        mode: null,
        dev: null,
        ifindex: link.ifindex,
        netns: null,
        program: programOf(link.programId),
        filter: null,
        ...held(link.id),
      };
    });
  return [...placed, ...others];
}

function programOf(id: number): Row["program"] {
  const fd = unlessGone(() => programById(id));
  if (fd === null) return null;
  using program = fd;
  return { id, name: programInfo(program).name };
}
