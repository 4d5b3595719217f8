/** Drops every packet as if the program had failed: each raises the tracepoint xdp:xdp_exception. */
import { XDP_ABORTED, xdp } from "wirescript/kernel";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

export const aborted = xdp((ctx) => countAction(ctx, XDP_ABORTED));
