/** Tables of connections, changed behind the datapath's back. */
import { countFlows } from "../../src/balancer/datapath/flow-tables.ts";
import type { ArrayMap } from "../../src/index.ts";

export function countedFlows(table: ArrayMap): number {
  using memory = table.mmap({ writable: false });
  return [...countFlows(memory)].reduce((sum, count) => sum + count);
}

/** What is zero is no connection. */
export function forgetFlows(table: ArrayMap): void {
  using memory = table.mmap();
  memory.bytes.fill(0);
}

/** All connections were last seen so many of the datapath's periods earlier. */
export function makeFlowsOlder<V extends { connections: { flow: { lastSeen: number } }[] }>(
  table: ArrayMap<V>,
  periods: number,
): void {
  for (const [index, bucket] of [...table]) {
    for (const { flow } of bucket.connections) flow.lastSeen = Math.max(0, flow.lastSeen - periods);
    table.set(index, bucket);
  }
}
