/**
 * Sends every packet out of another interface, to a fixed MAC address: a wire to somewhere else. Where it goes is settings of the
 * loader, constants for the verifier: `load(file, { settings: { ifindex: 7, dest_mac: … } })`.
 *
 * As in the XDP tutorial's packet03, all frames go, ARP and multicast too, and the sender's address stays, unless `src_mac` says
 * otherwise: a switch at the other end would learn the sender's address on the wrong port. Unlike there, nothing is compiled in, and a
 * program that was not told where to send fails visibly instead of losing packets after XDP_REDIRECT.
 */
import { redirect, setting, u32, XDP_ABORTED, XDP_PASS, type XdpAction, type XdpContext, xdp } from "wirescript/kernel";
import { Ethernet, mac } from "wirescript/net";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

const ifindex = setting(u32, 0);
const dest_mac = setting(mac, mac());
/** All zeros: leave it as it is. */
const src_mac = setting(mac, mac());

export const to_interface = xdp((ctx) => countAction(ctx, send(ctx)), { section: "xdp_redirect", name: "xdp_redirect_func" });

function send(ctx: XdpContext): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_PASS;
  if (ifindex === 0) return XDP_ABORTED;
  eth.dst = dest_mac;
  if (!src_mac.equals(mac())) eth.src = src_mac;
  return redirect(ifindex);
}
