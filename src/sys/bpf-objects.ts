/** What bpf(2) offers for every kind of object alike: pinning to bpffs, lists of ids, and information. */
import { readlinkSync } from "node:fs";
import { bpf, tryBpf } from "./bpf-call.ts";
import { cString } from "./c-string.ts";
import { isErrno, SyscallError } from "./errno.ts";
import { type BtfFd, Fd, type LinkFd, type MapFd, type ProgramFd } from "./fd.ts";

/** Makes a file in bpffs that keeps the object alive. @throws SyscallError */
export function objectPin(fd: Fd, path: string): void {
  bpf("OBJ_PIN", { pathname: cString(path), bpf_fd: fd.number });
}

/** Opens a pinned object, whatever it is. @throws SyscallError */
export function objectGet(path: string, flags = 0): MapFd | ProgramFd | LinkFd {
  const { result } = bpf("OBJ_GET", { pathname: cString(path), file_flags: flags });
  const file = new Fd("file", result);
  const target = readlinkSync(`/proc/self/fd/${result}`);
  if (target.includes("bpf-map")) return new Fd("map", result);
  if (target.includes("bpf-prog")) return new Fd("program", result);
  if (target.includes("bpf_link") || target.includes("bpf-link")) return new Fd("link", result);
  file.close();
  throw new SyscallError("bpf", 22, `BPF_OBJ_GET ${path}: an object of an unknown kind, ${target}`);
}

type Identified = "PROG" | "MAP" | "LINK" | "BTF";

/** The ids of all objects of a kind in the kernel, ascending. Needs CAP_SYS_ADMIN. @throws SyscallError */
export function* ids(kind: Identified): Generator<number> {
  for (let start_id = 0; ; ) {
    const { result, read } = tryBpf(`${kind}_GET_NEXT_ID`, { start_id });
    if (result === -2) return;
    if (result < 0) throw new SyscallError("bpf", -result, `BPF_${kind}_GET_NEXT_ID`);
    start_id = read("next_id");
    yield start_id;
  }
}

/** @throws SyscallError (ENOENT when there is no such id). */
export function programById(id: number): ProgramFd {
  return new Fd("program", bpf("PROG_GET_FD_BY_ID", { prog_id: id }).result);
}

/** @throws SyscallError (ENOENT when there is no such id). */
export function mapById(id: number): MapFd {
  return new Fd("map", bpf("MAP_GET_FD_BY_ID", { map_id: id }).result);
}

/** @throws SyscallError (ENOENT when there is no such id). */
export function linkById(id: number): LinkFd {
  return new Fd("link", bpf("LINK_GET_FD_BY_ID", { link_id: id }).result);
}

/** @throws SyscallError (ENOENT when there is no such id). */
export function btfById(id: number): BtfFd {
  return new Fd("btf", bpf("BTF_GET_FD_BY_ID", { btf_id: id }).result);
}

/** Opens by id, and null when the object has gone meanwhile, or (a link) is not there yet: it has an id before it is attached. */
export function unlessGone<T>(open: () => T): T | null {
  try {
    return open();
  } catch (error) {
    if (isErrno(error, "ENOENT", "EAGAIN")) return null;
    throw error;
  }
}
