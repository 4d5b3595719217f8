/**
 * All programs of the lesson, which `make` puts into one object, xdp_prog_kern.o. What they do is in the files that are imported here; what is
 * written here are the names by which the lesson's command lines find them: an ELF section (`--progsec xdp_icmp_echo`) and a function
 * (`--prog-name xdp_icmp_echo_func`).
 */
import { chain, XDP_PASS, xdp } from "wirescript/kernel";
import { echo } from "../../programs/echo.bpf.ts";

/** Assignment 1: answers pings in the driver. */
export const xdp_icmp_echo = chain(echo, { section: "xdp_icmp_echo", name: "xdp_icmp_echo_func" });

/** Assignment 2: sends everything to one place, which is written into redirect.bpf.ts. Sections "xdp_redirect". */
export { to_interface as xdp_redirect } from "../../programs/redirect.bpf.ts";

/** Assignment 3: the places are in maps, which user space fills. Section "xdp_redirect_map". */
export { by_sender as xdp_redirect_map, redirect_params, tx_port } from "../../programs/redirect-map.bpf.ts";

/** Assignment 4: the kernel's routing table says where. Section "xdp_router". */
export { fib_results } from "../../programs/router.bpf.ts";
export { router as xdp_router, router_port } from "../../programs/router-devmap.bpf.ts";

/** For the other end of a veth, which takes what XDP_TX sends to it only if it has a program. It counts nothing. */
export const xdp_pass = xdp(() => XDP_PASS, { section: "xdp_pass", name: "xdp_pass_func" });

/** Packets and bytes by action, which ./xdp_stats shows. */
export { xdp_stats_map } from "../../programs/stats.bpf.ts";
