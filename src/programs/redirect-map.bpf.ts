/**
 * Sends packets out of another interface, by a table: who the sender is says who gets the packet. Both maps are pinned, so that user
 * space fills and changes them while packets flow, and a reload of the program finds them as they were.
 *
 * As in the XDP tutorial's packet03: senders that are not in the table pass, only the destination's address is rewritten, and the
 * interface is always element 0 of `tx_port`; while there is none, the packet is dropped as XDP_ABORTED. There, `redirect_params` has
 * room for one pair of addresses, and the maps are not pinned, so that its own tool finds nothing to fill: both are mended here.
 */
import { devMap, hash, XDP_PASS, type XdpAction, type XdpContext, xdp } from "wirescript/kernel";
import { Ethernet, mac } from "wirescript/net";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

/** Where packets leave: ifindexes. */
export const tx_port = devMap({ entries: 256, pinned: true });

/** By the sender's MAC address: the one that the packet goes to. */
export const redirect_params = hash({ key: mac, value: mac, entries: 256, pinned: true });

export const by_sender = xdp((ctx) => countAction(ctx, send(ctx)), {
  section: "xdp_redirect_map",
  name: "xdp_redirect_map_func",
});

function send(ctx: XdpContext): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_PASS;
  const destination = redirect_params.lookup(eth.src);
  if (!destination) return XDP_PASS;
  eth.dst = destination;
  return tx_port.redirect(0);
}
