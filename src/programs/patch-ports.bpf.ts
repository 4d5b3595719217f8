/**
 * Lowers the destination port of TCP and UDP by one, over IPv4 and IPv6, so that what is sent to 8001 arrives at 8000. VLAN tags are
 * skipped; a TCP or UDP header that is cut off or lies about its length is an error: XDP_ABORTED.
 *
 * The XDP tutorial's packet02 adds one to the checksum without the carry around the end, which is wrong for one packet in 256, and turns
 * UDP's "no checksum" into a wrong one; it also takes the data of later fragments for ports. All three are right here.
 */
import { u16, type u32, XDP_ABORTED, XDP_PASS, type XdpAction, type XdpContext, xdp } from "wirescript/kernel";
import {
  EtherType,
  ethernetPayload,
  IPv4,
  IPv6,
  IpProtocol,
  Ipv4Fragment,
  replaceInChecksum,
  replaceInUdpChecksum,
  Tcp,
  Udp,
} from "wirescript/net";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

export const patch_ports = xdp((ctx) => countAction(ctx, patch(ctx)), {
  section: "xdp_patch_ports",
  name: "xdp_patch_ports_func",
});

function patch(ctx: XdpContext): XdpAction {
  const payload = ethernetPayload(ctx);
  if (!payload) return XDP_PASS;
  if (payload.type === EtherType.IPv4) {
    const ip = ctx.at(IPv4, payload.offset);
    if (!ip || ip.ihl < 5) return XDP_PASS;
    // Only the first fragment has ports.
    if ((ip.fragment & Ipv4Fragment.OFFSET) !== 0) return XDP_PASS;
    return patchTransport(ctx, ip.protocol, payload.offset + ip.ihl * 4);
  }
  if (payload.type === EtherType.IPv6) {
    const ip = ctx.at(IPv6, payload.offset);
    if (!ip) return XDP_PASS;
    return patchTransport(ctx, ip.nextHeader, payload.offset + IPv6.size);
  }
  return XDP_PASS;
}

function patchTransport(ctx: XdpContext, protocol: number, offset: u32): XdpAction {
  if (protocol === IpProtocol.UDP) return patchUdp(ctx, offset);
  if (protocol === IpProtocol.TCP) return patchTcp(ctx, offset);
  return XDP_PASS;
}

function patchUdp(ctx: XdpContext, offset: u32): XdpAction {
  const udp = ctx.at(Udp, offset);
  if (!udp || udp.length < Udp.size) return XDP_ABORTED;
  const port = udp.destinationPort;
  udp.destinationPort = u16(port - 1);
  udp.checksum = replaceInUdpChecksum(udp.checksum, port, u16(port - 1));
  return XDP_PASS;
}

function patchTcp(ctx: XdpContext, offset: u32): XdpAction {
  const tcp = ctx.at(Tcp, offset);
  if (!tcp || tcp.dataOffset < 5 || offset + tcp.dataOffset * 4 > ctx.length) return XDP_ABORTED;
  const port = tcp.destinationPort;
  tcp.destinationPort = u16(port - 1);
  tcp.checksum = replaceInChecksum(tcp.checksum, port, u16(port - 1));
  return XDP_PASS;
}
