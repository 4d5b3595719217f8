/**
 * Programs, maps and links in the kernel, whoever brought them there, found as people name them: by id, by name, or by the path of a pin.
 * Needs root.
 */
import { existsSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import {
  ids,
  type LinkFd,
  linkById,
  type MapFd,
  mapById,
  mapInfo,
  objectGet,
  type ProgramFd,
  programById,
  programInfo,
  unlessGone,
} from "../sys/bpf.ts";
import { isErrno } from "../sys/errno.ts";
import { onBpffs } from "../sys/mount.ts";
import { denied } from "./privileges.ts";

export type ObjectKind = "program" | "map" | "link";

interface Access<F extends Disposable> {
  readonly list: "PROG" | "MAP" | "LINK";
  readonly byId: (id: number) => F;
  readonly nameOf: (fd: F) => string;
  /** The command that lists them. */
  readonly command: string;
}

const PROGRAMS: Access<ProgramFd> = { list: "PROG", byId: programById, nameOf: (fd) => programInfo(fd).name, command: "progs" };
const MAPS: Access<MapFd> = { list: "MAP", byId: mapById, nameOf: (fd) => mapInfo(fd).name, command: "maps" };
const LINKS: Access<LinkFd> = { list: "LINK", byId: linkById, nameOf: () => "", command: "links" };

/** What a person named. */
export type Selector = { id: number } | { name: string } | { path: string };

/** "17" is an id, "/sys/fs/bpf/x" a path, anything else a name; "id 17", "name x", "pinned PATH" say which. @throws WirescriptError USAGE */
export function parseSelector(words: readonly string[], kind: ObjectKind): Selector {
  const [first = "", second, ...more] = words;
  if (second === undefined) {
    if (/^\d+$/.test(first)) return { id: Number(first) };
    return first.includes("/") ? { path: first } : { name: first };
  }
  if (more.length === 0 && first === "id" && /^\d+$/.test(second)) return { id: Number(second) };
  if (more.length === 0 && first === "name") return { name: second };
  if (more.length === 0 && first === "pinned") return { path: second };
  throw new WirescriptError({
    code: "USAGE",
    what: `"${words.join(" ")}" does not name a ${kind}.`,
    why: "A number is an id, what has a slash is the path of a pin, anything else is a name.",
    fix: `Write for example: 17, NAME, /sys/fs/bpf/PIN, or: id 17, name NAME, pinned PATH`,
  });
}

/** Opens a program; the caller closes it. @throws WirescriptError NO_SUCH_PROGRAM, USAGE when several have the name, NO_PRIVILEGES. */
export function openProgram(selector: Selector): ProgramFd {
  return open(selector, "program", PROGRAMS);
}

/** Opens a map; the caller closes it. @throws WirescriptError MAP, USAGE when several have the name, NO_PRIVILEGES. */
export function openMapFd(selector: Selector): MapFd {
  return open(selector, "map", MAPS);
}

/** Opens a link; the caller closes it. @throws WirescriptError NO_SUCH_PROGRAM, NO_PRIVILEGES. */
export function openLink(selector: Selector): LinkFd {
  return open(selector, "link", LINKS);
}

/** All of a kind, opened one after the other, and closed again; those that go meanwhile are left out. @throws WirescriptError NO_PRIVILEGES */
export function* allPrograms(): Generator<ProgramFd> {
  yield* all("program", PROGRAMS);
}

export function* allMaps(): Generator<MapFd> {
  yield* all("map", MAPS);
}

export function* allLinks(): Generator<LinkFd> {
  yield* all("link", LINKS);
}

function* all<F extends Disposable>(kind: ObjectKind, access: Access<F>): Generator<F> {
  // The list is read first, so that what the caller does between two of them does not matter.
  for (const id of permitted(kind, () => [...ids(access.list)])) {
    const fd = unlessGone(() => access.byId(id));
    if (fd === null) continue;
    using opened = fd;
    yield opened;
  }
}

function open<F extends Disposable>(selector: Selector, kind: ObjectKind, access: Access<F>): F {
  if ("path" in selector) return openPin(selector.path, kind) as unknown as F; // the pin's kind was compared with `kind`
  if ("id" in selector) {
    const fd = permitted(kind, () => unlessGone(() => access.byId(selector.id)));
    if (fd !== null) return fd;
    throw missing(
      kind,
      `There is no ${kind} with id ${selector.id}.`,
      "It has gone, or was never there: ids are not used again.",
      access,
    );
  }
  const found = [...allIdsNamed(selector.name, kind, access)];
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
      why: `Their ids are ${found.join(", ")}.`,
      fix: `Name one by its id: ${only}`,
    });
  }
  return open({ id: only }, kind, access);
}

function* allIdsNamed<F extends Disposable>(name: string, kind: ObjectKind, access: Access<F>): Generator<number> {
  // The kernel cuts names; whoever gives the whole name of the source means the same object.
  const kept = name.slice(0, 15);
  for (const id of permitted(kind, () => [...ids(access.list)])) {
    const fd = unlessGone(() => access.byId(id));
    if (fd === null) continue;
    using opened = fd;
    const there = access.nameOf(opened);
    if (there === kept && there !== "") yield id;
  }
}

function openPin(path: string, kind: ObjectKind) {
  const refused = (why: string, cause?: unknown) =>
    new WirescriptError({
      code: CODE[kind],
      what: `There is no pinned ${kind} at ${path}.`,
      why,
      fix: "See what is pinned: find /sys/fs/bpf",
      cause,
    });
  let fd: ReturnType<typeof objectGet>;
  try {
    fd = objectGet(path);
  } catch (error) {
    if (!existsSync(path)) throw refused("The file does not exist.", error);
    if (!onBpffs(path)) throw refused("The file is not in a BPF file system.", error);
    if (isErrno(error, "EPERM", "EACCES")) throw denied(`${path} cannot be opened.`, error);
    throw refused("It is a directory, or nothing that can be opened.", error);
  }
  if (fd.kind === kind) return fd;
  const there = fd.kind;
  fd.close();
  throw refused(`What is pinned there is a ${there}.`);
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
