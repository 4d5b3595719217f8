/**
 * Drops every second ping: echo requests whose sequence number is even, over IPv4 and IPv6, VLAN tags skipped. So `ping` shows the
 * sequence 1, 3, 5 and a loss of 50 %, which is how the XDP tutorial's packet01 makes visible that a program reads packets right.
 * Everything else passes.
 */
import { type u32, XDP_DROP, XDP_PASS, type XdpAction, type XdpContext, xdp } from "wirescript/kernel";
import { EtherType, ethernetPayload, IcmpEcho, IcmpType, Icmpv6Type, IpProtocol, ipPayload } from "wirescript/net";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

export const drop_even_pings = xdp((ctx) => countAction(ctx, judge(ctx)), {
  section: "xdp_packet_parser",
  name: "xdp_parser_func",
});

function judge(ctx: XdpContext): XdpAction {
  const frame = ethernetPayload(ctx);
  const packet = frame && ipPayload(ctx, frame.type, frame.offset);
  if (!frame || !packet || packet.fragment !== 0) return XDP_PASS;
  if (frame.type === EtherType.IPv4 && packet.protocol === IpProtocol.ICMP) {
    return judgeEcho(ctx, packet.offset, IcmpType.ECHO_REQUEST);
  }
  if (frame.type === EtherType.IPv6 && packet.protocol === IpProtocol.ICMPV6) {
    return judgeEcho(ctx, packet.offset, Icmpv6Type.ECHO_REQUEST);
  }
  return XDP_PASS;
}

function judgeEcho(ctx: XdpContext, offset: u32, request: number): XdpAction {
  const echo = ctx.at(IcmpEcho, offset);
  return echo?.type === request && echo.sequence % 2 === 0 ? XDP_DROP : XDP_PASS;
}
