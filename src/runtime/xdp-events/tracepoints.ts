/**
 * The kernel's XDP tracepoints and what each of them tells. Source: include/trace/events/xdp.h of Linux 5.15 to 6.18, between which their
 * arguments did not change.
 */

/** What an argument is. A device and a program are pointers; the rest are numbers. */
export type Argument =
  | "device"
  | "target device"
  | "program"
  | "action"
  | "error"
  /** Of a redirect: what the map's entry is (a pointer), the map's type, its id, and the entry's key, which is the ifindex when there is no map. */
  | "target"
  | "map type"
  | "map"
  | "index"
  | "to cpu"
  | "packets"
  | "drops"
  /** Pointer to what became of the packets on their new CPU. */
  | "verdicts"
  | "unused";

export interface Tracepoint {
  /** The kernel's name. */
  name: string;
  arguments: readonly Argument[];
  /** It comes once a packet, also when all is well, so it is counted only when asked for. */
  everyPacket?: true;
  /** Not in all kernels. */
  optional?: true;
}

const REDIRECT: readonly Argument[] = ["device", "program", "target", "error", "map type", "map", "index"];

export const TRACEPOINTS = [
  { name: "xdp_exception", arguments: ["device", "program", "action"] },
  { name: "xdp_redirect_err", arguments: REDIRECT },
  { name: "xdp_redirect_map_err", arguments: REDIRECT, optional: true },
  { name: "xdp_devmap_xmit", arguments: ["device", "target device", "packets", "drops", "error"] },
  { name: "xdp_bulk_tx", arguments: ["device", "packets", "drops", "error"] },
  { name: "xdp_cpumap_enqueue", arguments: ["map", "packets", "drops", "to cpu"] },
  { name: "xdp_cpumap_kthread", arguments: ["map", "packets", "drops", "unused", "verdicts"] },
  { name: "xdp_redirect", arguments: REDIRECT, everyPacket: true },
  { name: "xdp_redirect_map", arguments: REDIRECT, everyPacket: true, optional: true },
] as const satisfies readonly Tracepoint[];

export type XdpEventName = (typeof TRACEPOINTS)[number]["name"];
