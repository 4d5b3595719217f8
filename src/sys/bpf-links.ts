/** The link commands of bpf(2). A link holds a program attached for as long as somebody holds the link. */
import { bpf } from "./bpf-call.ts";
import { BPF } from "./bpf-constants.ts";
import { Fd, type LinkFd, type ProgramFd } from "./fd.ts";

/** Attaches a program to a device of the calling thread's network namespace (XDP: Linux 5.9). `flags`: XDP_FLAGS_*. @throws SyscallError */
export function linkCreateXdp(program: ProgramFd, ifindex: number, flags: number): LinkFd {
  const { result } = bpf("LINK_CREATE", {
    prog_fd: program.number,
    target_ifindex: ifindex,
    attach_type: BPF.BPF_XDP,
    flags,
  });
  return new Fd("link", result);
}

/** Replaces a link's program atomically; with `expected` only when the link holds that one (else EPERM). @throws SyscallError */
export function linkUpdate(link: LinkFd, program: ProgramFd, expected?: ProgramFd): void {
  bpf("LINK_UPDATE", {
    link_fd: link.number,
    new_prog_fd: program.number,
    ...(expected && { flags: BPF.BPF_F_REPLACE, old_prog_fd: expected.number }),
  });
}

/** Detaches, whoever else holds the link (Linux 5.9). @throws SyscallError */
export function linkDetach(link: LinkFd): void {
  bpf("LINK_DETACH", { link_fd: link.number });
}

/** Attaches a program to the tracepoint that it was loaded for (BPF_TRACE_RAW_TP, Linux 5.5), in all network namespaces. @throws SyscallError */
export function openRawTracepoint(program: ProgramFd): LinkFd {
  return new Fd("link", bpf("RAW_TRACEPOINT_OPEN", { prog_fd: program.number }).result);
}
