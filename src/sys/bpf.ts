/**
 * bpf(2), the system call, as typed functions. The layers below: `bpf-layout.ts` (numbers and offsets, checked against the C
 * headers), `bpf-call.ts` (packs and calls), then one file for each kind of object.
 */
export { BPF, BPF_FS_MAGIC, MPROG, TCX, XDP_FLAGS } from "./bpf-constants.ts";
export * from "./bpf-dump.ts";
export * from "./bpf-info.ts";
export * from "./bpf-links.ts";
export * from "./bpf-maps.ts";
export * from "./bpf-objects.ts";
export * from "./bpf-programs.ts";
export * from "./bpf-statistics.ts";
export * from "./bpf-tcx.ts";
export { type BtfFd, Fd, type FdKind, type LinkFd, type MapFd, type ProgramFd } from "./fd.ts";
