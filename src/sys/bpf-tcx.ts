/**
 * TCX (Linux 6.6): a device's ordered list of TC programs, one list for each direction. A program stands in it by itself until it is taken out
 * (PROG_ATTACH), or for as long as somebody holds a link (LINK_CREATE). Every change raises the list's revision, so that a change can be
 * made on condition that nobody else made one in between.
 */
import { bpf, tryBpf } from "./bpf-call.ts";
import { MPROG, TCX } from "./bpf-constants.ts";
import { SyscallError } from "./errno.ts";
import { Fd, type LinkFd, type ProgramFd } from "./fd.ts";

export type Direction = "ingress" | "egress";

/** A place in the list; `relative` is what it is next to, and without it the list's first or last place is meant. */
export interface TcxPlace {
  side: "before" | "after";
  relative?: ProgramFd | LinkFd;
}

export interface TcxAttach {
  program: ProgramFd;
  ifindex: number;
  direction: Direction;
  /** Default: the last place. */
  place?: TcxPlace;
  /** Fail with ESTALE unless the list has this revision; 0 (default): whatever it has. */
  expectedRevision?: bigint;
}

export interface TcxEntry {
  programId: number;
  /** The bpf_link that holds it; null when it stands by itself. */
  linkId: number | null;
}

export interface TcxList {
  /** In the order in which they run. */
  entries: TcxEntry[];
  revision: bigint;
}

const ATTACH_TYPE = { ingress: TCX.BPF_TCX_INGRESS, egress: TCX.BPF_TCX_EGRESS } as const;

export function directionOfTcx(attachType: number): Direction {
  return attachType === TCX.BPF_TCX_EGRESS ? "egress" : "ingress";
}

/**
 * Attaches by a link, in the calling thread's network namespace.
 *
 * @throws SyscallError EEXIST: the program is in the list already; ERANGE: the list is full (64 programs); ENOENT: what the place is
 * relative to is not in the list; ESTALE: another revision; ENODEV; EINVAL before Linux 6.6.
 */
export function linkCreateTcx(attach: TcxAttach): LinkFd {
  const { flags, relativeFd } = placeOf(attach.place);
  const { result } = bpf("LINK_CREATE", {
    prog_fd: attach.program.number,
    target_ifindex: attach.ifindex,
    attach_type: ATTACH_TYPE[attach.direction],
    flags,
    "tcx.relative_fd": relativeFd,
    "tcx.expected_revision": attach.expectedRevision ?? 0n,
  });
  return new Fd("link", result);
}

/** Attaches without a link: the program stays in the list until it is taken out, or its device goes. @throws SyscallError as `linkCreateTcx`. */
export function attachTcx(attach: TcxAttach & { replace?: ProgramFd }): void {
  const { flags, relativeFd } = placeOf(attach.place);
  bpf("PROG_ATTACH", {
    target_ifindex: attach.ifindex,
    attach_bpf_fd: attach.program.number,
    attach_type: ATTACH_TYPE[attach.direction],
    attach_flags: attach.replace === undefined ? flags : MPROG.BPF_F_REPLACE,
    replace_bpf_fd: attach.replace?.number ?? 0,
    relative_fd: relativeFd,
    expected_revision: attach.expectedRevision ?? 0n,
  });
}

/** Takes out a program that stands by itself. @throws SyscallError ENOENT: it is not in the list; EBUSY: a link holds it. */
export function detachTcx(program: ProgramFd, ifindex: number, direction: Direction): void {
  bpf("PROG_DETACH", {
    target_ifindex: ifindex,
    attach_bpf_fd: program.number,
    attach_type: ATTACH_TYPE[direction],
  });
}

/** `BPF_MPROG_MAX` of linux/bpf_mprog.h. */
const MOST_PROGRAMS = 64;

/** The list of a device's direction; null when the kernel has no TCX. @throws SyscallError */
export function queryTcx(ifindex: number, direction: Direction): TcxList | null {
  const programs = new Uint32Array(MOST_PROGRAMS);
  const links = new Uint32Array(MOST_PROGRAMS);
  const { result, read, readWord } = tryBpf("PROG_QUERY", {
    target_ifindex: ifindex,
    attach_type: ATTACH_TYPE[direction],
    count: MOST_PROGRAMS,
    prog_ids: new Uint8Array(programs.buffer),
    link_ids: new Uint8Array(links.buffer),
  });
  if (result === -EINVAL || result === -EOPNOTSUPP) return null;
  if (result === -ENOENT) return { entries: [], revision: 1n };
  if (result < 0) throw new SyscallError("bpf", -result, `BPF_PROG_QUERY TCX ${direction} of link ${ifindex}`);
  const count = read("count");
  const entries = Array.from({ length: count }, (_, index) => ({
    programId: programs[index] ?? 0,
    linkId: links[index] || null,
  }));
  return { entries, revision: readWord("revision") };
}

const ENOENT = 2;
const EINVAL = 22;
const EOPNOTSUPP = 95;

function placeOf(place: TcxPlace | undefined): { flags: number; relativeFd: number } {
  if (place === undefined) return { flags: 0, relativeFd: 0 };
  const side = place.side === "before" ? MPROG.BPF_F_BEFORE : MPROG.BPF_F_AFTER;
  const { relative } = place;
  if (relative === undefined) return { flags: side, relativeFd: 0 };
  return { flags: side | (relative.kind === "link" ? TCX.BPF_F_LINK : 0), relativeFd: relative.number };
}
