/** Case 03: answers pings in the driver. Section "xdp_case03"; "xdp_pass" is for the other end of the veth. */
import { chain, XDP_PASS, xdp } from "wirescript/kernel";
import { echo } from "../../../programs/echo.bpf.ts";

export { xdp_stats_map } from "../../../programs/stats.bpf.ts";

export const xdp_case03 = chain(echo, { section: "xdp_case03" });

export const xdp_pass = xdp(() => XDP_PASS, { section: "xdp_pass" });
