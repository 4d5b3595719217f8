/** Maps to measure: a table of flows as large as they get, and small events. */
import { array, be16, be32, hash, ringBuffer, struct, u32, u64, XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";

const Flow = struct({ source: be32, destination: be32, sourcePort: be16, destinationPort: be16 });
const Counts = struct({ packets: u64, bytes: u64 });
const Event = struct({ id: u32, kind: u32 });

export const flows = hash({ key: Flow, value: Counts, entries: 1_000_000 });
export const events = ringBuffer({ value: Event, bytes: 16_777_216 });
/** Element 0: events that were written; 1: those that found no room. */
export const written = array({ value: u64, entries: 2 });

export const send = xdp(() => {
  const count = written.lookup(0);
  const refused = written.lookup(1);
  if (!count || !refused) return XDP_DROP;
  const event = events.reserve();
  if (!event) {
    refused.value++;
    return XDP_DROP;
  }
  event.id = u32(count.value);
  event.kind = 1;
  count.value++;
  events.submit(event);
  return XDP_PASS;
});
