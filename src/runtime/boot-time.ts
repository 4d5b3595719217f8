/** The kernel dates its programs in nanoseconds since boot; people want a time of day. */
import { readFileSync } from "node:fs";

/** Milliseconds from the epoch to the machine's boot, to about 10 ms. */
export function bootTime(): number {
  const [uptime] = readFileSync("/proc/uptime", "utf8").split(" ");
  return Date.now() - Number(uptime) * 1000;
}
