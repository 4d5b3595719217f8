/** What network devices have received, counted by themselves: /proc/net/dev, which shows the reading thread's own network namespace. */
import { readFileSync } from "node:fs";

export interface DeviceCounters {
  packets: bigint;
  bytes: bigint;
  /** Dropped before anybody saw them, for want of buffers or because nobody wanted them. */
  dropped: bigint;
}

/** By name. proc_pid_net(5): "name: bytes packets errs drop …", receiving first. */
export function receivedByDevices(): Map<string, DeviceCounters> {
  const lines = readFileSync("/proc/thread-self/net/dev", "utf8").trimEnd().split("\n").slice(2);
  return new Map(
    lines.map((line) => {
      const colon = line.lastIndexOf(":");
      const [bytes = "0", packets = "0", , dropped = "0"] = line
        .slice(colon + 1)
        .trim()
        .split(/\s+/);
      return [line.slice(0, colon).trim(), { packets: BigInt(packets), bytes: BigInt(bytes), dropped: BigInt(dropped) }];
    }),
  );
}
