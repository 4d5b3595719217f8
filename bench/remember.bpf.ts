/** Remembers a connection as the balancer does, in a table like its own, and does nothing else: what of a new connection's packet is the kernel's. */
import { lruHash, XDP_ABORTED, XDP_TX, xdp } from "wirescript/kernel";
import { Ethernet } from "wirescript/net";
import { Flow, FlowKey4, FlowState } from "../src/programs/balancer-maps.bpf.ts";
import { flowKey4, Head4 } from "../src/programs/balancer-packet.bpf.ts";

export const flows = lruHash({ key: FlowKey4, value: Flow, entries: 1, perCpuLists: true });

export const remember = xdp((ctx) => {
  const head = ctx.at(Head4, Ethernet.size);
  if (!head) return XDP_ABORTED;
  const key = flowKey4(head);
  const flow = { backend: 1, generation: 1, lastSeen: 1, natPort: 0, state: FlowState.OPEN, unused: 0 };
  return flows.lookup(key) || flows.update(key, flow) ? XDP_TX : XDP_ABORTED;
});
