/** Case 01: drops everything that comes in, and counts it. Section "xdp_case01". */
import { chain } from "wirescript/kernel";
import { drop } from "../../../programs/drop.bpf.ts";

export { xdp_stats_map } from "../../../programs/stats.bpf.ts";

export const xdp_case01 = chain(drop, { section: "xdp_case01" });
