/** What user space may do with a map through a descriptor: its flags, how it was opened, and whether it is frozen. */
import { type MapFd, mapInfo } from "../../sys/bpf.ts";
import { fdInfo } from "../../sys/fd-info.ts";

/** `BPF_F_…` of linux/bpf.h that maps are made with, by bit. */
const FLAGS: readonly string[] = [
  "BPF_F_NO_PREALLOC",
  "BPF_F_NO_COMMON_LRU",
  "BPF_F_NUMA_NODE",
  "BPF_F_RDONLY",
  "BPF_F_WRONLY",
  "BPF_F_STACK_BUILD_ID",
  "BPF_F_ZERO_SEED",
  "BPF_F_RDONLY_PROG",
  "BPF_F_WRONLY_PROG",
  "BPF_F_CLONE",
  "BPF_F_MMAPABLE",
  "BPF_F_PRESERVE_ELEMS",
  "BPF_F_INNER_MAP",
  "BPF_F_LINK",
  "BPF_F_PATH_FD",
  "BPF_F_VTYPE_BTF_OBJ_FD",
  "BPF_F_TOKEN_FD",
  "BPF_F_SEGV_ON_FAULT",
  "BPF_F_NO_USER_CONV",
];

/** The names of the flags; "0x80000" for one that has no name here. */
export function flagNames(flags: number): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit++) if (((flags >>> bit) & 1) === 1) names.push(FLAGS[bit] ?? `0x${(2 ** bit).toString(16)}`);
  return names;
}

export interface MapAccess {
  /** Made with these, e.g. "BPF_F_NO_PREALLOC". */
  flags: string[];
  /** By how the descriptor was opened: the kernel keeps BPF_F_RDONLY and BPF_F_WRONLY with it, not with the map. */
  readable: boolean;
  writable: boolean;
  /** Read-only for user space, for good. */
  frozen: boolean;
  /** Bytes that the kernel took for it; null when /proc does not tell. */
  memory: number | null;
}

/** @throws SyscallError */
export function accessOf(fd: MapFd): MapAccess {
  const flags = flagNames(mapInfo(fd).flags);
  const file = fdInfo(fd);
  // The access mode in the lowest two bits of open(2)'s flags: 0 reads, 1 writes, 2 does both.
  const mode = Number.parseInt(file.get("flags") ?? "2", 8) & 3;
  const frozen = file.get("frozen") === "1";
  const memory = file.get("memlock");
  return {
    flags,
    readable: mode !== 1,
    writable: mode !== 0 && !frozen,
    frozen,
    memory: memory === undefined ? null : Number(memory),
  };
}
