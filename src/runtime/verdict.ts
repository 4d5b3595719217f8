/** What a program's return value means, by the name that the kernel's headers give it. */
import type { ProgramType } from "../object/spec.ts";

/** `enum xdp_action`, by number. */
export const XDP_ACTIONS = ["XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"] as const;

/** TC_ACT_* of linux/pkt_cls.h, from -1 on. */
export const TC_ACTIONS = [
  "TC_ACT_UNSPEC",
  "TC_ACT_OK",
  "TC_ACT_RECLASSIFY",
  "TC_ACT_SHOT",
  "TC_ACT_PIPE",
  "TC_ACT_STOLEN",
  "TC_ACT_QUEUED",
  "TC_ACT_REPEAT",
  "TC_ACT_REDIRECT",
  "TC_ACT_TRAP",
] as const;

/** "XDP_PASS", "TC_ACT_OK"; the number itself when it has no name, and the kernel then drops the packet (XDP) or goes on (TC). */
export function verdictName(type: ProgramType, action: number): string {
  const name = type === "xdp" ? XDP_ACTIONS[action] : TC_ACTIONS[action + 1];
  return name ?? `${action}`;
}

/** The number of a verdict of XDP or TC by its name; null when it is none's. */
export function verdictNumber(name: string): number | null {
  const [xdp, tc] = [(XDP_ACTIONS as readonly string[]).indexOf(name), (TC_ACTIONS as readonly string[]).indexOf(name)];
  if (xdp >= 0) return xdp;
  return tc < 0 ? null : tc - 1;
}
