/** Case 02: gives everything to the network stack, and counts it. Section "xdp_case02". */
import { chain } from "wirescript/kernel";
import { pass } from "../../../programs/pass.bpf.ts";

export { xdp_stats_map } from "../../../programs/stats.bpf.ts";

export const xdp_case02 = chain(pass, { section: "xdp_case02" });
