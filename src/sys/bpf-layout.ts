/**
 * bpf(2) as bytes: the number of every command this project uses and the layout of its part of `union bpf_attr`, and the layouts of
 * the info structures. Numbers only, in one table, because `bpf-layout.test.ts` compiles a C file against the system's linux/bpf.h
 * and compares every row. Sources: include/uapi/linux/bpf.h of Linux 6.1 and 6.18; the layouts are the same on every architecture.
 */

/** [offset, bytes]; 4 and 8 bytes are integers in host order (8 also addresses), 16 bytes are a name. */
export type Field = readonly [offset: number, bytes: 4 | 8 | 16];

export interface AttrLayout {
  readonly command: number;
  /** Fields that came with Linux 6.6, which the test compares with the running kernel's types instead. */
  readonly newer?: readonly string[];
  /** The name of the member of `union bpf_attr`; null when its structure is anonymous. */
  readonly member: string | null;
  /** Bytes handed to the kernel. A kernel that knows more takes the rest as zero, one that knows less accepts zero there. */
  readonly size: number;
  readonly fields: Readonly<Record<string, Field>>;
}

const element = { map_fd: [0, 4], key: [8, 8], value: [16, 8], next_key: [16, 8], flags: [24, 8] } as const;
const batch = {
  in_batch: [0, 8],
  out_batch: [8, 8],
  keys: [16, 8],
  values: [24, 8],
  count: [32, 4],
  map_fd: [36, 4],
  elem_flags: [40, 8],
  flags: [48, 8],
} as const;
const object = { pathname: [0, 8], bpf_fd: [8, 4], file_flags: [12, 4] } as const;
const id = {
  start_id: [0, 4],
  prog_id: [0, 4],
  map_id: [0, 4],
  btf_id: [0, 4],
  link_id: [0, 4],
  next_id: [4, 4],
  open_flags: [8, 4],
} as const;

const attach = {
  target_fd: [0, 4],
  target_ifindex: [0, 4],
  attach_bpf_fd: [4, 4],
  attach_type: [8, 4],
  attach_flags: [12, 4],
  replace_bpf_fd: [16, 4],
  relative_fd: [20, 4],
  expected_revision: [24, 8],
} as const;

const attachCommand = {
  member: null,
  size: 32,
  fields: attach,
  newer: ["target_ifindex", "relative_fd", "expected_revision"],
} as const;
const elementCommand = { member: null, size: 32, fields: element } as const;
const batchCommand = { member: "batch", size: 56, fields: batch } as const;
const objectCommand = { member: null, size: 16, fields: object } as const;
const idCommand = { member: null, size: 12, fields: id } as const;

export const ATTR = {
  MAP_CREATE: {
    command: 0,
    member: null,
    size: 72,
    fields: {
      map_type: [0, 4],
      key_size: [4, 4],
      value_size: [8, 4],
      max_entries: [12, 4],
      map_flags: [16, 4],
      inner_map_fd: [20, 4],
      numa_node: [24, 4],
      map_name: [28, 16],
      map_ifindex: [44, 4],
      btf_fd: [48, 4],
      btf_key_type_id: [52, 4],
      btf_value_type_id: [56, 4],
      btf_vmlinux_value_type_id: [60, 4],
      map_extra: [64, 8],
    },
  },
  MAP_LOOKUP_ELEM: { command: 1, ...elementCommand },
  MAP_UPDATE_ELEM: { command: 2, ...elementCommand },
  MAP_DELETE_ELEM: { command: 3, ...elementCommand },
  MAP_GET_NEXT_KEY: { command: 4, ...elementCommand },
  PROG_LOAD: {
    command: 5,
    member: null,
    size: 144,
    fields: {
      prog_type: [0, 4],
      insn_cnt: [4, 4],
      insns: [8, 8],
      license: [16, 8],
      log_level: [24, 4],
      log_size: [28, 4],
      log_buf: [32, 8],
      prog_flags: [44, 4],
      prog_name: [48, 16],
      prog_ifindex: [64, 4],
      expected_attach_type: [68, 4],
      prog_btf_fd: [72, 4],
      func_info_rec_size: [76, 4],
      func_info: [80, 8],
      func_info_cnt: [88, 4],
      line_info_rec_size: [92, 4],
      line_info: [96, 8],
      line_info_cnt: [104, 4],
      attach_btf_id: [108, 4],
      attach_prog_fd: [112, 4],
      fd_array: [120, 8],
    },
  },
  OBJ_PIN: { command: 6, ...objectCommand },
  OBJ_GET: { command: 7, ...objectCommand },
  PROG_ATTACH: { command: 8, ...attachCommand },
  PROG_DETACH: { command: 9, ...attachCommand },
  PROG_TEST_RUN: {
    command: 10,
    member: "test",
    size: 80,
    fields: {
      prog_fd: [0, 4],
      retval: [4, 4],
      data_size_in: [8, 4],
      data_size_out: [12, 4],
      data_in: [16, 8],
      data_out: [24, 8],
      repeat: [32, 4],
      duration: [36, 4],
      ctx_size_in: [40, 4],
      ctx_size_out: [44, 4],
      ctx_in: [48, 8],
      ctx_out: [56, 8],
      flags: [64, 4],
      cpu: [68, 4],
      batch_size: [72, 4],
    },
  },
  PROG_GET_NEXT_ID: { command: 11, ...idCommand },
  MAP_GET_NEXT_ID: { command: 12, ...idCommand },
  PROG_GET_FD_BY_ID: { command: 13, ...idCommand },
  MAP_GET_FD_BY_ID: { command: 14, ...idCommand },
  OBJ_GET_INFO_BY_FD: {
    command: 15,
    member: "info",
    size: 16,
    fields: { bpf_fd: [0, 4], info_len: [4, 4], info: [8, 8] },
  },
  PROG_QUERY: {
    command: 16,
    member: "query",
    size: 64,
    fields: {
      target_ifindex: [0, 4],
      attach_type: [4, 4],
      query_flags: [8, 4],
      attach_flags: [12, 4],
      prog_ids: [16, 8],
      count: [24, 4],
      prog_attach_flags: [32, 8],
      link_ids: [40, 8],
      link_attach_flags: [48, 8],
      revision: [56, 8],
    },
    newer: ["target_ifindex", "count", "link_ids", "link_attach_flags", "revision"],
  },
  RAW_TRACEPOINT_OPEN: { command: 17, member: "raw_tracepoint", size: 16, fields: { name: [0, 8], prog_fd: [8, 4] } },
  BTF_LOAD: {
    command: 18,
    member: null,
    size: 32,
    fields: { btf: [0, 8], btf_log_buf: [8, 8], btf_size: [16, 4], btf_log_size: [20, 4], btf_log_level: [24, 4] },
  },
  BTF_GET_FD_BY_ID: { command: 19, ...idCommand },
  MAP_LOOKUP_AND_DELETE_ELEM: { command: 21, ...elementCommand },
  MAP_FREEZE: { command: 22, ...elementCommand },
  BTF_GET_NEXT_ID: { command: 23, ...idCommand },
  MAP_LOOKUP_BATCH: { command: 24, ...batchCommand },
  MAP_LOOKUP_AND_DELETE_BATCH: { command: 25, ...batchCommand },
  MAP_UPDATE_BATCH: { command: 26, ...batchCommand },
  MAP_DELETE_BATCH: { command: 27, ...batchCommand },
  LINK_CREATE: {
    command: 28,
    member: "link_create",
    size: 32,
    fields: {
      prog_fd: [0, 4],
      target_fd: [4, 4],
      target_ifindex: [4, 4],
      attach_type: [8, 4],
      flags: [12, 4],
      "tcx.relative_fd": [16, 4],
      "tcx.expected_revision": [24, 8],
    },
    newer: ["tcx.relative_fd", "tcx.expected_revision"],
  },
  LINK_UPDATE: {
    command: 29,
    member: "link_update",
    size: 16,
    fields: { link_fd: [0, 4], new_prog_fd: [4, 4], flags: [8, 4], old_prog_fd: [12, 4] },
  },
  LINK_GET_FD_BY_ID: { command: 30, ...idCommand },
  LINK_GET_NEXT_ID: { command: 31, ...idCommand },
  ENABLE_STATS: { command: 32, member: "enable_stats", size: 4, fields: { type: [0, 4] } },
  LINK_DETACH: { command: 34, member: "link_detach", size: 4, fields: { link_fd: [0, 4] } },
  PROG_BIND_MAP: {
    command: 35,
    member: "prog_bind_map",
    size: 12,
    fields: { prog_fd: [0, 4], map_fd: [4, 4], flags: [8, 4] },
  },
} as const satisfies Record<string, AttrLayout>;

export type BpfCommand = keyof typeof ATTR;

export interface InfoLayout {
  readonly struct: string;
  readonly size: number;
  /** Keys may be paths into unions, e.g. "xdp.ifindex". */
  readonly fields: Readonly<Record<string, readonly [offset: number, bytes: 4 | 8 | 16]>>;
  /** As in `AttrLayout`. */
  readonly newer?: readonly string[];
}

export const INFO = {
  program: {
    struct: "bpf_prog_info",
    size: 232,
    fields: {
      type: [0, 4],
      id: [4, 4],
      tag: [8, 8],
      jited_prog_len: [16, 4],
      xlated_prog_len: [20, 4],
      jited_prog_insns: [24, 8],
      xlated_prog_insns: [32, 8],
      load_time: [40, 8],
      created_by_uid: [48, 4],
      nr_map_ids: [52, 4],
      map_ids: [56, 8],
      name: [64, 16],
      ifindex: [80, 4],
      nr_jited_ksyms: [104, 4],
      nr_jited_func_lens: [108, 4],
      jited_ksyms: [112, 8],
      jited_func_lens: [120, 8],
      btf_id: [128, 4],
      func_info_rec_size: [132, 4],
      func_info: [136, 8],
      nr_func_info: [144, 4],
      nr_line_info: [148, 4],
      line_info: [152, 8],
      jited_line_info: [160, 8],
      nr_jited_line_info: [168, 4],
      line_info_rec_size: [172, 4],
      jited_line_info_rec_size: [176, 4],
      run_time_ns: [192, 8],
      run_cnt: [200, 8],
      recursion_misses: [208, 8],
      verified_insns: [216, 4],
    },
  },
  map: {
    struct: "bpf_map_info",
    size: 88,
    fields: {
      type: [0, 4],
      id: [4, 4],
      key_size: [8, 4],
      value_size: [12, 4],
      max_entries: [16, 4],
      map_flags: [20, 4],
      name: [24, 16],
      ifindex: [40, 4],
      btf_id: [64, 4],
      btf_key_type_id: [68, 4],
      btf_value_type_id: [72, 4],
      map_extra: [80, 8],
    },
  },
  btf: {
    struct: "bpf_btf_info",
    size: 32,
    fields: { btf: [0, 8], btf_size: [8, 4], id: [12, 4], name: [16, 8], name_len: [24, 4], kernel_btf: [28, 4] },
  },
  link: {
    struct: "bpf_link_info",
    size: 48,
    fields: {
      type: [0, 4],
      id: [4, 4],
      prog_id: [8, 4],
      "xdp.ifindex": [16, 4],
      "tcx.ifindex": [16, 4],
      "tcx.attach_type": [20, 4],
    },
    newer: ["tcx.ifindex", "tcx.attach_type"],
  },
} as const satisfies Record<string, InfoLayout>;
