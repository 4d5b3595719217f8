/**
 * Takes the outermost VLAN tag off packets that have one, and gives VLAN 1's to those that have none. Always XDP_PASS, and not counted, as in
 * the XDP tutorial's packet02.
 *
 * Four bytes come or go between the addresses and the type, so the addresses move: they are kept in variables, the packet's start is
 * moved, and they are written again. Every view of the packet dies with the move.
 */
import { XDP_PASS, type XdpContext, xdp } from "wirescript/kernel";
import { Ethernet, EtherType, VlanTag } from "wirescript/net";

const VLAN_ID = 1;

export const vlan_swap = xdp(
  (ctx) => {
    const eth = ctx.at(Ethernet);
    if (!eth) return XDP_PASS;
    if (eth.type === EtherType.VLAN || eth.type === EtherType.QINQ) pop(ctx, eth);
    else push(ctx, eth);
    return XDP_PASS;
  },
  { section: "xdp_vlan_swap", name: "xdp_vlan_swap_func" },
);

/** Does nothing when the tag is cut off. */
function pop(ctx: XdpContext, { dst, src }: Ethernet): void {
  const tag = ctx.at(VlanTag, Ethernet.size);
  if (!tag) return;
  const { type } = tag;
  if (!ctx.adjustHead(VlanTag.size)) return;
  const eth = ctx.at(Ethernet);
  if (!eth) return;
  eth.dst = dst;
  eth.src = src;
  eth.type = type;
}

/** Does nothing when there is no room for the tag. */
function push(ctx: XdpContext, { dst, src, type }: Ethernet): void {
  if (!ctx.adjustHead(-VlanTag.size)) return;
  const eth = ctx.at(Ethernet);
  const tag = ctx.at(VlanTag, Ethernet.size);
  if (!eth || !tag) return;
  eth.dst = dst;
  eth.src = src;
  eth.type = EtherType.VLAN;
  tag.control = VLAN_ID;
  tag.type = type;
}
