/**
 * Programs, maps and links in the kernel, whoever brought them there, found as people name them: by id, by name, or by the path of a pin.
 * Needs root.
 */

import { WirescriptError } from "../errors.ts";
import {
  ids,
  type LinkFd,
  linkById,
  linkInfo,
  type MapFd,
  mapById,
  mapInfo,
  type ProgramFd,
  programById,
  programInfo,
  unlessGone,
} from "../sys/bpf.ts";
import { isErrno } from "../sys/errno.ts";
import { checkId } from "./arguments.ts";
import { openPin } from "./open-pin.ts";
import { listPins } from "./pins.ts";
import { denied } from "./privileges.ts";
import type { ObjectKind, Selector } from "./selector.ts";

interface Access<F extends Disposable> {
  readonly list: "PROG" | "MAP" | "LINK";
  readonly byId: (id: number) => F;
  readonly idOf: (fd: F) => number;
  readonly nameOf: (fd: F) => string;
  /** The command that lists them. */
  readonly command: string;
}

const PROGRAMS: Access<ProgramFd> = {
  ...{ list: "PROG", byId: programById, command: "progs" },
  idOf: (fd) => programInfo(fd).id,
  nameOf: (fd) => programInfo(fd).name,
};
const MAPS: Access<MapFd> = {
  ...{ list: "MAP", byId: mapById, command: "maps" },
  idOf: (fd) => mapInfo(fd).id,
  nameOf: (fd) => mapInfo(fd).name,
};
const LINKS: Access<LinkFd> = {
  list: "LINK",
  byId: linkById,
  command: "links",
  idOf: (fd) => linkInfo(fd).id,
  nameOf: () => "",
};

/** Opens a program; the caller closes it. @throws WirescriptError NO_SUCH_PROGRAM, USAGE when several have the name, NO_PRIVILEGES. */
export function openProgram(selector: Selector): ProgramFd {
  return open(selector, "program", PROGRAMS);
}

/** Opens a map; the caller closes it. @throws WirescriptError MAP, USAGE when several have the name, NO_PRIVILEGES. */
export function openMapFd(selector: Selector): MapFd {
  return open(selector, "map", MAPS);
}

/** Opens a link; the caller closes it. @throws WirescriptError NOTHING_ATTACHED, MAP for a path without one, NO_PRIVILEGES. */
export function openLinkFd(selector: Selector): LinkFd {
  return open(selector, "link", LINKS);
}

/** What `work` makes of each program, opened for it alone; those that go meanwhile are left out. @throws WirescriptError NO_PRIVILEGES */
export function ofAllPrograms<T>(work: (fd: ProgramFd) => T): T[] {
  return ofAll("program", PROGRAMS, work);
}

/** As `ofAllPrograms`. */
export function ofAllMaps<T>(work: (fd: MapFd) => T): T[] {
  return ofAll("map", MAPS, work);
}

/** As `ofAllPrograms`. */
export function ofAllLinks<T>(work: (fd: LinkFd) => T): T[] {
  return ofAll("link", LINKS, work);
}

function ofAll<F extends Disposable, T>(kind: ObjectKind, access: Access<F>, work: (fd: F) => T): T[] {
  return permitted(kind, () => [...ids(access.list)]).flatMap((id) => {
    const fd = unlessGone(() => access.byId(id));
    if (fd === null) return [];
    using opened = fd;
    return [work(opened)];
  });
}

function open<F extends Disposable>(selector: Selector, kind: ObjectKind, access: Access<F>): F {
  if ("path" in selector) return openPin(selector.path, kind) as unknown as F; // `F` is the descriptor of `kind`
  if ("id" in selector) {
    checkId(kind, selector.id);
    const fd = permitted(kind, () => unlessGone(() => access.byId(selector.id)));
    if (fd !== null) return fd;
    throw missing(
      kind,
      `There is no ${kind} with id ${selector.id}.`,
      "It has gone, or was never there: ids are not used again.",
      access,
    );
  }
  // The kernel cuts names; whoever gives the whole name of the source means the same object.
  const kept = selector.name.slice(0, 15);
  const named = ofAll(kind, access, (fd) => ({ id: access.idOf(fd), name: access.nameOf(fd) }));
  const found = named.filter(({ name }) => name === kept && name !== "").map(({ id }) => id);
  const [only] = found;
  if (only === undefined) {
    const why =
      kind === "link"
        ? "Links have no names, only ids."
        : "Names are compared whole, and the kernel keeps their first 15 bytes only.";
    throw missing(kind, `There is no ${kind} named "${selector.name}".`, why, access);
  }
  if (found.length > 1) {
    throw new WirescriptError({
      code: "USAGE",
      what: `There are ${found.length} ${kind}s named "${selector.name}".`,
      why: `Their ids are ${idsWithPins(found, kind)}.`,
      fix: `Name one by its id, such as ${only}, or by the path of its pin.`,
    });
  }
  return open({ id: only }, kind, access);
}

/** More would not fit on a screen. */
const LISTED = 10;

/** "17 (/sys/fs/bpf/eth0/counters), 23": what is pinned has a path by which people know it. */
function idsWithPins(found: readonly number[], kind: ObjectKind): string {
  const paths = new Map(listPins().flatMap((pin) => (pin.kind === kind ? [[pin.id, pin.path]] : [])));
  const listed = found.slice(0, LISTED).map((id) => (paths.has(id) ? `${id} (${paths.get(id)})` : `${id}`));
  const more = found.length - listed.length;
  return `${listed.join(", ")}${more === 0 ? "" : ` and ${more} more`}`;
}

const CODE = { program: "NO_SUCH_PROGRAM", map: "MAP", link: "NOTHING_ATTACHED" } as const;

function missing(kind: ObjectKind, what: string, why: string, { command }: { command: string }): WirescriptError {
  return new WirescriptError({ code: CODE[kind], what, why, fix: `List what there is: wirescript ${command}` });
}

function permitted<T>(kind: ObjectKind, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (isErrno(error, "EPERM")) throw denied(`The kernel does not let this process look at ${kind}s.`, error);
    throw error;
  }
}
