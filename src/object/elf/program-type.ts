/**
 * The type of a program by the name of its section, as libbpf's and iproute2's users write it. A name that says nothing (`rx`,
 * `tc_mark`) may hold any: then the type of the function's parameter tells, and without types it is "xdp", as `ip link set dev
 * D xdp obj F sec rx` takes it. A name by which libbpf knows another type is never loaded as what it is not. Source: libbpf 1.1
 * `section_defs`, iproute2 6.1.
 */
import { typeAt, underlying } from "../btf/layout.ts";
import type { Btf } from "../btf/types.ts";
import type { ProgramType } from "../spec.ts";

const SCHED_CLS = /^\??(tc|tcx|classifier|netkit|ingress|egress)([/.]|$)/;
const SCHED_ACT = /^\??action([/.]|$)/;
const XDP = /^\??xdp([/.]|$)/;

const OTHERS =
  /^\??(kprobe|kretprobe|kprobe\.multi|kretprobe\.multi|uprobe|uretprobe|usdt|ksyscall|kretsyscall|tracepoint|tp|raw_tracepoint|raw_tp|tp_btf|perf_event|fentry|fexit|fmod_ret|freplace|lsm|lsm_cgroup|iter|syscall|struct_ops|socket|cgroup|cgroup_skb|lwt_in|lwt_out|lwt_xmit|lwt_seg6local|sockops|sk_skb|sk_msg|sk_reuseport|sk_lookup|lirc_mode2|flow_dissector|netfilter)([/.+]|$)/;

/** What objects keep in sections of these names is no code. */
const NO_CODE = /^(license|version|maps)$/;

/**
 * What the section's name says of the program in it; "any" when it says nothing, `null` when no packet program can be there.
 */
export function programSection(section: string): ProgramType | "any" | null {
  if (SCHED_CLS.test(section)) return "sched_cls";
  if (SCHED_ACT.test(section)) return "sched_act";
  if (XDP.test(section)) return "xdp";
  return /^[A-Za-z_][A-Za-z0-9_./]*$/.test(section) && !NO_CODE.test(section) && !OTHERS.test(section) ? "any" : null;
}

/** Whether programs in this section take frames in several buffers, as libbpf has it. */
export function isFragsSection(section: string): boolean {
  return /^\??xdp\.frags(\/|$)/.test(section);
}

/** Where the program runs: an XDP program in a map of devices or CPUs has its own attach type. */
export function xdpPlace(section: string): "device" | "devmap" | "cpumap" {
  const [, place] = /^\??xdp(?:\.frags)?\/(devmap|cpumap)(?:[/.]|$)/.exec(section) ?? [];
  return place === "devmap" || place === "cpumap" ? place : "device";
}

/** `SEC("?xdp")`: loaded only when it is asked for by name. */
export function isOptional(section: string): boolean {
  return section.startsWith("?");
}

/** iproute2's `__section_tail(ID, SLOT)`: the program is in slot SLOT of the program array with that id. */
export function tailSection(section: string): { id: number; slot: number } | null {
  const [, id, slot] = /^(\d{1,9})\/(\d{1,9})$/.exec(section) ?? [];
  return id === undefined ? null : { id: Number(id), slot: Number(slot) };
}

/**
 * The type of the program in `section` whose entry function has the BTF type `typeId` (0: unknown), or what it is when
 * Wirescript cannot load it.
 */
export function programTypeOf(section: string, btf: Btf | null, typeId: number): ProgramType | { other: string } {
  const byName = programSection(section);
  if (byName !== null && byName !== "any") return byName;
  const [, other] = OTHERS.exec(section) ?? [];
  if (other !== undefined) return { other };
  const context = btf === null ? null : contextOf(btf, typeId);
  if (context !== null) return context === "__sk_buff" ? "sched_cls" : "xdp";
  // tc_mark, xdp_pass: how tutorials name their sections. Programs called by number are TC's.
  return /^(tc|tcx|classifier)_/.test(section) || tailSection(section) !== null ? "sched_cls" : "xdp";
}

/** Name of the struct that the function's first parameter points to. */
function contextOf(btf: Btf, typeId: number): string | null {
  const fn = typeAt(btf, typeId);
  const prototype = fn?.kind === "func" ? typeAt(btf, fn.type) : undefined;
  const [parameter] = prototype?.kind === "func_proto" ? prototype.parameters : [];
  const pointer = parameter === undefined ? undefined : underlying(btf, parameter.type);
  const context = pointer?.kind === "ptr" ? underlying(btf, pointer.type) : undefined;
  return context?.kind === "struct" || context?.kind === "fwd" ? context.name : null;
}
