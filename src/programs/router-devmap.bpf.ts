/**
 * The router of router.bpf.ts with a map of devices: packets leave through `router_port`, where user space has put, under each ifindex, the
 * device that they are to leave by. The kernel sends what goes through such a map in bulk.
 *
 * An ifindex that is not in the map goes the direct way, so that a device which appears later is served too. (The XDP tutorial's version of
 * 2020 loses such packets.)
 */
import { devMapHash, redirect, type u32, XDP_ABORTED, XDP_REDIRECT, type XdpAction, xdp } from "wirescript/kernel";
import { route } from "./router.bpf.ts";
import { countAction } from "./stats.bpf.ts";

export { fib_results } from "./router.bpf.ts";
export { xdp_stats_map } from "./stats.bpf.ts";

/** By ifindex: the device to leave by, which is the same one, unless somebody wants a detour. */
export const router_port = devMapHash({ entries: 256, pinned: true });

export const router = xdp((ctx) => countAction(ctx, route(ctx, send)), { section: "xdp_router", name: "xdp_router_func" });

function send(ifindex: u32): XdpAction {
  const throughMap = router_port.redirect(ifindex, XDP_ABORTED);
  return throughMap === XDP_REDIRECT ? throughMap : redirect(ifindex);
}
