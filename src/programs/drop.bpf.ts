/** Drops every packet, and counts it. */
import { XDP_DROP, xdp } from "wirescript/kernel";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

export const drop = xdp((ctx) => countAction(ctx, XDP_DROP));
