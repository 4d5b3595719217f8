/** Gives every packet to the network stack, and counts it. */
import { XDP_PASS, xdp } from "wirescript/kernel";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

export const pass = xdp((ctx) => countAction(ctx, XDP_PASS));
