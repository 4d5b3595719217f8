/**
 * Case 04: forwards between two namespaces, in three ways: to one place that is written into redirect.bpf.ts (section "xdp_case04"), to places
 * that user space puts into maps ("xdp_case04_map"), and where the kernel's routing table says ("xdp_case04_fib").
 */
import { chain, XDP_PASS, xdp } from "wirescript/kernel";
import { to_interface } from "../../../programs/redirect.bpf.ts";
import { by_sender } from "../../../programs/redirect-map.bpf.ts";
import { router } from "../../../programs/router-devmap.bpf.ts";

export { redirect_params, tx_port } from "../../../programs/redirect-map.bpf.ts";
export { fib_results, router_port } from "../../../programs/router-devmap.bpf.ts";
export { xdp_stats_map } from "../../../programs/stats.bpf.ts";

export const xdp_case04 = chain(to_interface, { section: "xdp_case04" });

export const xdp_case04_map = chain(by_sender, { section: "xdp_case04_map" });

export const xdp_case04_fib = chain(router, { section: "xdp_case04_fib" });

export const xdp_pass = xdp(() => XDP_PASS, { section: "xdp_pass" });
