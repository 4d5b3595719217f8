/** Constants of linux/bpf.h and linux/if_link.h by their kernel names; `bpf-layout.test.ts` compares each with the C headers. */
export const BPF = {
  BPF_PROG_TYPE_SCHED_CLS: 3,
  BPF_PROG_TYPE_SCHED_ACT: 4,
  BPF_PROG_TYPE_XDP: 6,
  BPF_PROG_TYPE_TRACING: 26,

  BPF_TRACE_RAW_TP: 23,
  BPF_XDP: 37,
  BPF_XDP_DEVMAP: 33,
  BPF_XDP_CPUMAP: 35,
  BPF_LINK_TYPE_XDP: 6,

  BPF_ANY: 0,
  BPF_NOEXIST: 1,
  BPF_EXIST: 2,

  BPF_F_NO_PREALLOC: 1 << 0,
  BPF_F_NO_COMMON_LRU: 1 << 1,
  BPF_F_RDONLY: 1 << 3,
  BPF_F_WRONLY: 1 << 4,
  BPF_F_RDONLY_PROG: 1 << 7,
  BPF_F_MMAPABLE: 1 << 10,

  BPF_F_XDP_HAS_FRAGS: 1 << 5,
  BPF_F_XDP_DEV_BOUND_ONLY: 1 << 6,
  /** For LINK_UPDATE: only when the link's program is the expected one. */
  BPF_F_REPLACE: 1 << 2,

  /** Of test runs: packets go where the program sends them (Linux 5.18); the checksum was computed by the card (6.13). */
  BPF_F_TEST_XDP_LIVE_FRAMES: 1 << 1,
  BPF_F_TEST_SKB_CHECKSUM_COMPLETE: 1 << 2,

  BPF_OBJ_NAME_LEN: 16,
  BPF_TAG_SIZE: 8,
} as const;

/** What came with Linux 6.6, compared with the types of the running kernel. */
export const TCX = {
  BPF_TCX_INGRESS: 46,
  BPF_TCX_EGRESS: 47,
  BPF_LINK_TYPE_TCX: 11,
  BPF_F_LINK: 1 << 13,
} as const;

/** Places in a list of programs (Linux 6.6). Macros of linux/bpf.h, which the kernel's types do not hold. */
export const MPROG = {
  BPF_F_REPLACE: 1 << 2,
  BPF_F_BEFORE: 1 << 3,
  BPF_F_AFTER: 1 << 4,
  BPF_F_ID: 1 << 5,
} as const;

export const XDP_FLAGS = {
  XDP_FLAGS_UPDATE_IF_NOEXIST: 1 << 0,
  XDP_FLAGS_SKB_MODE: 1 << 1,
  XDP_FLAGS_DRV_MODE: 1 << 2,
  XDP_FLAGS_HW_MODE: 1 << 3,
  XDP_FLAGS_REPLACE: 1 << 4,
} as const;

/** The file system type of bpffs as statfs(2) reports it (linux/magic.h). */
export const BPF_FS_MAGIC = 0xcafe4a11;
