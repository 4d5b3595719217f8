/** The counters as rows, in the XDP tutorial's format, so that whoever knows its xdp_stats knows this. */
import { ACTIONS, type Counter } from "./counters.ts";

export interface ActionRow {
  action: string;
  packets: bigint;
  /** Per second, over the period. */
  pps: number;
  bytes: bigint;
  bitsPerSecond: number;
  /** Seconds between the two readings. */
  period: number;
}

/** What happened between two readings of all actions. */
export function actionRows(before: readonly Counter[], now: readonly Counter[]): ActionRow[] {
  return ACTIONS.map((action, index) => {
    const then = before[index] ?? NONE;
    const { packets, bytes, at } = now[index] ?? NONE;
    const period = Number(at - then.at) / 1e9;
    const rate = (change: bigint) => (period > 0 ? Number(change) / period : 0);
    return {
      action,
      packets,
      bytes,
      period,
      pps: rate(packets - then.packets),
      bitsPerSecond: rate((bytes - then.bytes) * 8n),
    };
  });
}

const NONE: Counter = { packets: 0n, bytes: 0n, at: 0n };

export const ACTION_HEADING = "XDP-action  ";

export function actionLine({ action, packets, pps, bytes, bitsPerSecond, period }: ActionRow): string {
  const cells = [
    action.padEnd(12),
    `${whole(packets).padStart(11)} pkts`,
    `(${whole(pps).padStart(10)} pps)`,
    `${whole(bytes / 1000n).padStart(11)} Kbytes`,
    `(${whole(bitsPerSecond / 1e6).padStart(6)} Mbits/s)`,
    `period:${period.toFixed(6)}`,
  ];
  return cells.join(" ");
}

const DIGITS = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

function whole(value: number | bigint): string {
  return DIGITS.format(value);
}
