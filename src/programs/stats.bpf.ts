/** Counts what programs answer: packets and bytes for each action, without atomics, since each CPU has counters of its own. */
import { perCpuArray, struct, u64, XDP_ABORTED, type XdpAction, type XdpContext } from "wirescript/kernel";

export const DataRecord = struct({ rx_packets: u64, rx_bytes: u64 });

/** One record for each XDP action. Pinned, so that other tools can read it: `struct datarec` of the XDP tutorial. */
export const xdp_stats_map = perCpuArray({ value: DataRecord, entries: 5, pinned: true });

/** Counts the packet under `action` and gives that action back. */
export function countAction(ctx: XdpContext, action: XdpAction): XdpAction {
  const record = xdp_stats_map.lookup(action);
  if (!record) return XDP_ABORTED;
  record.rx_packets++;
  record.rx_bytes += ctx.length;
  return action;
}
