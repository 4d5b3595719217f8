/**
 * Drops every packet, and counts by IP protocol how many there were: `xdp1` of the kernel's samples. Two VLAN tags are skipped. What is not
 * IP, or ends before the protocol is known, counts as protocol 0; what is shorter than an Ethernet header is not counted.
 *
 * Over IPv6 the protocol is the first header's after the fixed one, which may be an extension header.
 */
import { perCpuArray, type u32, u64, XDP_DROP, type XdpContext, xdp } from "wirescript/kernel";
import { EtherType, ethernetPayload, IPv4, IPv6 } from "wirescript/net";

/** Packets by protocol number, a count for each CPU. */
export const rxcnt = perCpuArray({ value: u64, entries: 256 });

export const xdp1 = xdp(
  (ctx) => {
    const payload = ethernetPayload(ctx);
    if (!payload) return XDP_DROP;
    const count = rxcnt.lookup(protocolOf(ctx, payload.type, payload.offset));
    if (count) count.value++;
    return XDP_DROP;
  },
  { section: "xdp1", name: "xdp_prog1" },
);

function protocolOf(ctx: XdpContext, type: number, offset: u32): u32 {
  if (type === EtherType.IPv4) return ctx.at(IPv4, offset)?.protocol ?? 0;
  if (type === EtherType.IPv6) return ctx.at(IPv6, offset)?.nextHeader ?? 0;
  return 0;
}
