/** Settings and counters of the network stack for a device, from /proc/sys/net of the calling thread's namespace. */
import { readFileSync } from "node:fs";
import type { Ipv4Settings, Ipv6Settings } from "./snapshot.ts";

export function ipv4Settings(device: string): Ipv4Settings | null {
  const forwarding = setting("ipv4", device, "forwarding");
  const own = setting("ipv4", device, "rp_filter");
  if (forwarding === null || own === null) return null;
  return { forwarding: forwarding !== 0, rpFilter: Math.max(own, setting("ipv4", "all", "rp_filter") ?? 0) };
}

export function ipv6Settings(device: string): Ipv6Settings | null {
  const forwarding = setting("ipv6", device, "forwarding");
  if (forwarding === null) return null;
  return {
    // Linux 6.17 lets a device forward although its own setting is off.
    forwarding: forwarding !== 0 || (setting("ipv6", device, "force_forwarding") ?? 0) !== 0,
    disabled: (setting("ipv6", device, "disable_ipv6") ?? 0) !== 0,
    acceptRa: setting("ipv6", device, "accept_ra") ?? 0,
  };
}

/** A counter of /proc/net/netstat: a line of names, then one of numbers. 0 when the kernel has no such counter. */
export function networkCounter(name: string): number {
  const lines = readFileSync("/proc/thread-self/net/netstat", "utf8").split("\n");
  for (const [index, line] of lines.entries()) {
    const column = line.split(" ").indexOf(name);
    if (column > 0) return Number(lines[index + 1]?.split(" ")[column] ?? 0);
  }
  return 0;
}

/** null when there is no such setting, or no such device any more. */
function setting(family: "ipv4" | "ipv6", device: string, name: string): number | null {
  try {
    return Number(readFileSync(`/proc/sys/net/${family}/conf/${device}/${name}`, "utf8"));
  } catch {
    return null;
  }
}
