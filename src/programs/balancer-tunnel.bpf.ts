/** Packets in packets: the balancer's end of its tunnels. */
import { noinline, type u32, XDP_DROP, type XdpAction, type XdpContext } from "wirescript/kernel";
import { Ethernet, EtherType, IPv4, IpProtocol, Ipv4Fragment, ipv4Checksum, replaceInChecksum } from "wirescript/net";
import { tooBig4 } from "./balancer-complain.bpf.ts";
import { dropOfService } from "./balancer-count.bpf.ts";
import { leaveToBackend } from "./balancer-leave.bpf.ts";
import { type Backend, mtu, Reason, source4 } from "./balancer-maps.bpf.ts";

const TUNNEL_TTL = 64;

/** IPv4 in IPv4. */
export function encapsulate4in4(ctx: XdpContext, l3: u32, ip: IPv4, backend: Backend): XdpAction {
  const { tos, totalLength } = ip;
  if (source4 === 0) return dropOfService(ctx, backend.service, Reason.UNFIT);
  if (totalLength + IPv4.size > mtu) return tooBig4(ctx, l3, IPv4.size);
  // TTL is the high byte of its word; the protocol below it does not change.
  ip.checksum = replaceInChecksum(ip.checksum, 0x0100, 0);
  ip.ttl--;
  if (!ctx.adjustHead(-IPv4.size)) return dropOfService(ctx, backend.service, Reason.NO_HEADROOM);
  const eth = ctx.at(Ethernet);
  const outer = ctx.at(IPv4, l3);
  if (!eth || !outer) return XDP_DROP;
  eth.type = EtherType.IPv4;
  outer.version = 4;
  outer.ihl = 5;
  outer.tos = tos;
  outer.totalLength = totalLength + IPv4.size;
  outer.id = 0;
  outer.fragment = Ipv4Fragment.DONT_FRAGMENT;
  outer.ttl = TUNNEL_TTL;
  outer.protocol = IpProtocol.IPIP;
  outer.src = source4;
  outer.dst = backend.address4;
  outer.checksum = ipv4Checksum(outer);
  return leaveToBackend(ctx, eth, backend);
}

export const tunnel4 = noinline(
  (ctx: XdpContext, _l3: u32, backend: Backend): XdpAction => dropOfService(ctx, backend.service, Reason.UNFIT),
);
