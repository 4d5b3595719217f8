/** What is in the kernel, whoever brought it there: programs by id, pinned maps with the types that the kernel has for them. */

import { basename } from "node:path";
import { WirescriptError } from "../errors.ts";
import { ids, programById, unlessGone } from "../sys/bpf.ts";
import { isErrno } from "../sys/errno.ts";
import { checkId } from "./arguments.ts";
import type { LoadedMap } from "./maps/open.ts";
import { openMapFd } from "./maps/open-existing.ts";
import { openPin } from "./open-pin.ts";
import { denied } from "./privileges.ts";
import { describeProgram, type ProgramInfo } from "./program.ts";

/** All programs in the kernel, in the order in which they were loaded. Needs root. @throws WirescriptError NO_PRIVILEGES. */
export function listPrograms(): ProgramInfo[] {
  try {
    return [...ids("PROG")].map(programInfoOrNull).filter((info) => info !== null);
  } catch (error) {
    if (isErrno(error, "EPERM")) throw denied("The kernel does not let this process list programs.", error);
    throw error;
  }
}

function programInfoOrNull(id: number): ProgramInfo | null {
  const fd = unlessGone(() => programById(id));
  if (fd === null) return null;
  using program = fd;
  return describeProgram(program);
}

/** The program with that id. @throws WirescriptError NO_SUCH_PROGRAM, USAGE for what can be no id, NO_PRIVILEGES. */
export function programInfo(id: number): ProgramInfo {
  checkId("program", id);
  try {
    const info = programInfoOrNull(id);
    if (info !== null) return info;
  } catch (error) {
    if (isErrno(error, "EPERM")) throw denied(`The kernel does not let this process look at program ${id}.`, error);
    throw error;
  }
  throw new WirescriptError({
    code: "NO_SUCH_PROGRAM",
    what: `There is no program with id ${id} in the kernel.`,
    why: "It was unloaded, or never there: ids are not used again.",
    fix: "List the programs: listPrograms(), wirescript progs",
  });
}

/**
 * Opens a map by its pin. Keys and values are typed by the BTF that the kernel has for the map; without it they are bytes.
 *
 * @throws WirescriptError MAP when there is no map at that path, NO_PRIVILEGES.
 */
export function openPinnedMap(path: string): LoadedMap {
  const fd = openPin(path, "map");
  return openMapFd(fd, { name: basename(path), pinnedAt: path });
}
