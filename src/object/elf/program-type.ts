/**
 * The type of a program by the name of its section, as libbpf's users write it. A name that says nothing (`rx`, `prog`) gives "xdp", as
 * `ip link set dev D xdp obj F sec rx` takes it; the loader may override that. A name by which libbpf knows another type is refused rather
 * than loaded as what it is not. Source: libbpf 1.1 `section_defs`, iproute2 6.1.
 */
import { unsupported } from "../malformed.ts";
import type { ProgramType } from "../spec.ts";

const SCHED_CLS = /^(tc|tcx|classifier|netkit|ingress|egress)([/_.]|$)/;

const OTHERS =
  /^(action|kprobe|kretprobe|uprobe|uretprobe|usdt|ksyscall|kretsyscall|tracepoint|tp|raw_tracepoint|raw_tp|tp_btf|perf_event|fentry|fexit|fmod_ret|freplace|lsm|lsm_cgroup|iter|syscall|struct_ops|socket|cgroup|cgroup_skb|lwt_in|lwt_out|lwt_xmit|lwt_seg6local|sockops|sk_skb|sk_msg|sk_reuseport|sk_lookup|lirc_mode2|flow_dissector|netfilter)([/.+]|$)/;

/** Throws WirescriptError (BAD_FILE) for the sections of program types that Wirescript cannot load. */
export function programTypeOf(section: string): ProgramType {
  if (SCHED_CLS.test(section)) return "sched_cls";
  const other = OTHERS.exec(section.replace(/^\?/, ""));
  if (other) {
    throw unsupported(
      `Section ${section} holds a program that Wirescript cannot load.`,
      `The name stands for the program type ${other[1]}; Wirescript loads xdp and tc programs.`,
      "Take these programs out of the object, or load it with bpftool.",
    );
  }
  return "xdp";
}

/** What objects keep in sections of these names is no code. */
const NO_CODE = /^(license|version|maps)$/;

/** Whether loaders take a program in this section for an XDP program. */
export function isXdpSection(section: string): boolean {
  return (
    /^[A-Za-z_][A-Za-z0-9_./]*$/.test(section) && !NO_CODE.test(section) && !SCHED_CLS.test(section) && !OTHERS.test(section)
  );
}
