/** Programs that somebody else brought into the kernel, opened by id or by pin: to be attached, run, pinned, and looked at with their maps. */

import { WirescriptError } from "../errors.ts";
import type { ProgramType } from "../object/spec.ts";
import { BPF, type ProgramFd, programById, programInfo } from "../sys/bpf.ts";
import { isErrno } from "../sys/errno.ts";
import { checkId } from "./arguments.ts";
import { openPin } from "./open-pin.ts";
import { denied } from "./privileges.ts";
import { LoadedProgram } from "./program.ts";

/**
 * The program with that id. The caller closes it; links that are made from it live until they are detached or disposed of.
 *
 * @throws WirescriptError NO_SUCH_PROGRAM when it is gone, or of a type that Wirescript does not attach; USAGE for what can be no id; NO_PRIVILEGES.
 */
export function openProgram(id: number): LoadedProgram {
  checkId("program", id);
  let fd: ProgramFd;
  try {
    fd = programById(id);
  } catch (error) {
    if (isErrno(error, "EPERM")) throw denied(`The kernel does not let this process open program ${id}.`, error);
    if (!isErrno(error, "ENOENT")) throw error;
    throw new WirescriptError({
      code: "NO_SUCH_PROGRAM",
      what: `There is no program with id ${id} in the kernel.`,
      why: "It was unloaded, or never there: ids are not used again.",
      fix: "List what there is: listPrograms(), wirescript progs",
      cause: error,
    });
  }
  return opened(fd);
}

/** As `openProgram`, by the path of its pin. @throws WirescriptError NO_SUCH_PROGRAM when there is no program at that path, and as `openProgram`. */
export function openPinnedProgram(path: string): LoadedProgram {
  return opened(openPin(path, "program"));
}

const TYPES: ReadonlyMap<number, ProgramType> = new Map([
  [BPF.BPF_PROG_TYPE_XDP, "xdp"],
  [BPF.BPF_PROG_TYPE_SCHED_CLS, "sched_cls"],
]);

function opened(fd: ProgramFd): LoadedProgram {
  const info = programInfo(fd);
  const type = TYPES.get(info.type);
  // The kernel does not keep the section that a program came from.
  if (type !== undefined) return new LoadedProgram({ name: info.name, section: "", type, fd }, () => {});
  fd.close();
  throw new WirescriptError({
    code: "NO_SUCH_PROGRAM",
    what: `The program "${info.name}" (id ${info.id}) is not for packets.`,
    why: `Its type has the number ${info.type} in the kernel; Wirescript attaches programs for XDP and TC.`,
    fix: `Look at it: programInfo(${info.id}), wirescript progs show ${info.id}`,
  });
}
