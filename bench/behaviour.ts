/**
 * Whether two programs do the same: the same verdict and the same bytes for every packet, and the same counts in the end. Figures
 * of programs that differ mean nothing, so nothing is timed before this was asked.
 */
import type { LoadedObject } from "../src/runtime/loaded-object.ts";

/** The XDP actions by number. */
const ACTIONS = ["XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"] as const;

export interface Counts {
  rx_packets: bigint;
  rx_bytes: bigint;
}

/** The first difference, in words; null when there is none. */
export function firstDifference(
  program: string,
  ours: LoadedObject,
  theirs: LoadedObject,
  packets: Iterable<Uint8Array>,
): string | null {
  const [left, right] = [ours.program(program), theirs.program(program)];
  const before = [counts(ours), counts(theirs)] as const;
  for (const packet of packets) {
    const [mine, other] = [left.run(packet), right.run(packet)];
    if (mine.action !== other.action || !Buffer.from(mine.packet).equals(other.packet)) {
      return [
        `${program} and its C counterpart differ on a packet of ${packet.length} bytes:`,
        `  in     ${hex(packet)}`,
        `  ours   ${hex(mine.packet)} ${ACTIONS[mine.action] ?? mine.action}`,
        `  theirs ${hex(other.packet)} ${ACTIONS[other.action] ?? other.action}`,
      ].join("\n");
    }
  }
  const [mine, other] = [difference(counts(ours), before[0]), difference(counts(theirs), before[1])];
  return mine === other ? null : `${program} and its C counterpart count differently:\n  ours   ${mine}\n  theirs ${other}`;
}

/** Packets and bytes by action, summed over the CPUs. */
export function counts(object: LoadedObject): Counts[] {
  const map = object.map("xdp_stats_map");
  if (map.kind !== "perCpuArray") throw new Error(`xdp_stats_map is of kind ${map.kind}`);
  return ACTIONS.map((_, action) => map.sum(action) as Counts);
}

function difference(after: readonly Counts[], before: readonly Counts[]): string {
  const rows = after.map(({ rx_packets, rx_bytes }, action) => {
    const was = before[action] ?? { rx_packets: 0n, rx_bytes: 0n };
    return `${ACTIONS[action]}: ${rx_packets - was.rx_packets} packets, ${rx_bytes - was.rx_bytes} bytes`;
  });
  return rows.join("; ");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
