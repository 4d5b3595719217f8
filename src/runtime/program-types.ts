/** Types of programs in words. */

/** `enum bpf_prog_type`, by number, as bpftool calls them. Source: linux/bpf.h of Linux 6.18. */
export const PROGRAM_TYPES: readonly string[] = [
  ...[
    "unspec",
    "socket_filter",
    "kprobe",
    "sched_cls",
    "sched_act",
    "tracepoint",
    "xdp",
    "perf_event",
    "cgroup_skb",
    "cgroup_sock",
  ],
  ...["lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device", "sk_msg", "raw_tracepoint", "cgroup_sock_addr"],
  ...[
    "lwt_seg6local",
    "lirc_mode2",
    "sk_reuseport",
    "flow_dissector",
    "cgroup_sysctl",
    "raw_tracepoint_writable",
    "cgroup_sockopt",
  ],
  ...["tracing", "struct_ops", "ext", "lsm", "sk_lookup", "syscall", "netfilter"],
];

export function programTypeName(type: number): string {
  return PROGRAM_TYPES[type] ?? `type ${type}`;
}
