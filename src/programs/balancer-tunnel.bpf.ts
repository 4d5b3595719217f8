/** Packets in packets: the balancer's end of its tunnels. */
import { be16, noinline, type u8, type u16, type u32, XDP_DROP, type XdpAction, type XdpContext } from "wirescript/kernel";
import {
  Ethernet,
  EtherType,
  IPv4,
  IPv6,
  IpProtocol,
  Ipv4Fragment,
  ipv4Checksum,
  replaceInChecksum,
  TunnelPort,
  Udp,
} from "wirescript/net";
import { tooBig4, tooBig6 } from "./balancer-complain.bpf.ts";
import { dropOfService } from "./balancer-count.bpf.ts";
import { leaveToBackend } from "./balancer-leave.bpf.ts";
import { type Backend, Mode, mtu, Reason, source4, source6 } from "./balancer-maps.bpf.ts";
import { overheadOf } from "./balancer-mtu.bpf.ts";
import { makeRoom, TYPE } from "./balancer-room.bpf.ts";

const TUNNEL_TTL = 64;
/** The dynamic ports (RFC 6335), so that routers spread flows as if they were not in a tunnel. */
const FIRST_GUE_PORT = 0xc000;

/** What the outer header takes from the inner one. */
interface Inner {
  /** IpProtocol.IPIP or IPV6. */
  protocol: u8;
  length: u16;
  tos: u8;
}

/** IPv4 in IPv4, which is the usual case. The packet's TTL is above 1. */
export function encapsulate4in4(ctx: XdpContext, l3: u32, ip: IPv4, backend: Backend): XdpAction {
  const inner = { protocol: IpProtocol.IPIP, length: ip.totalLength, tos: ip.tos };
  if (source4 === 0) return dropOfService(ctx, backend.service, Reason.UNFIT);
  if (inner.length + IPv4.size > mtu) return tooBig4(ctx, l3, mtu - IPv4.size);
  hop4(ip);
  if (!makeRoom(ctx, l3, IPv4.size)) return dropOfService(ctx, backend.service, Reason.NO_HEADROOM);
  return finish(ctx, l3, backend, EtherType.IPv4, writeOuter4(ctx, l3, inner, IpProtocol.IPIP, IPv4.size, backend));
}

/** All the others. `hash` is the flow's; the packet's TTL or hop limit is above 1. */
export const tunnel4 = noinline((ctx: XdpContext, l3: u32, backend: Backend, hash: u32): XdpAction => {
  const ip = ctx.at(IPv4, l3);
  if (!ip) return XDP_DROP;
  const inner = { protocol: IpProtocol.IPIP, length: ip.totalLength, tos: ip.tos };
  const overhead = overheadOf(backend);
  if (overhead === 0) return dropOfService(ctx, backend.service, Reason.UNFIT);
  if (inner.length + overhead > mtu) return tooBig4(ctx, l3, mtu - overhead);
  hop4(ip);
  return encapsulate(ctx, l3, backend, hash, inner);
});

export const tunnel6 = noinline((ctx: XdpContext, l3: u32, backend: Backend, hash: u32): XdpAction => {
  const ip = ctx.at(IPv6, l3);
  if (!ip) return XDP_DROP;
  const inner = { protocol: IpProtocol.IPV6, length: ip.payloadLength + IPv6.size, tos: ip.trafficClass };
  const overhead = overheadOf(backend);
  if (overhead === 0) return dropOfService(ctx, backend.service, Reason.UNFIT);
  if (inner.length + overhead > mtu) return tooBig6(ctx, l3, mtu - overhead);
  ip.hopLimit--;
  return encapsulate(ctx, l3, backend, hash, inner);
});

/** One hop less. */
function hop4(ip: IPv4): void {
  // TTL is the high byte of its word; the protocol below it does not change.
  ip.checksum = replaceInChecksum(ip.checksum, 0x0100, 0);
  ip.ttl--;
}

function encapsulate(ctx: XdpContext, l3: u32, backend: Backend, hash: u32, inner: Inner): XdpAction {
  const gue = backend.mode === Mode.GUE;
  const protocol = gue ? IpProtocol.UDP : inner.protocol;
  if (backend.family === 4) {
    const overhead = gue ? IPv4.size + Udp.size : IPv4.size;
    if (!makeRoom(ctx, l3, overhead)) return dropOfService(ctx, backend.service, Reason.NO_HEADROOM);
    if (gue && !writeUdp(ctx, l3 + IPv4.size, inner, hash)) return XDP_DROP;
    const written = writeOuter4(ctx, l3, inner, protocol, overhead, backend);
    return finish(ctx, l3, backend, EtherType.IPv4, written);
  }
  const overhead = gue ? IPv6.size + Udp.size : IPv6.size;
  if (!makeRoom(ctx, l3, overhead)) return dropOfService(ctx, backend.service, Reason.NO_HEADROOM);
  if (gue && !writeUdp(ctx, l3 + IPv6.size, inner, hash)) return XDP_DROP;
  const outer = ctx.at(IPv6, l3);
  if (!outer) return XDP_DROP;
  outer.version = 6;
  outer.trafficClass = inner.tos;
  outer.flowLabel = hash & 0xfffff;
  outer.payloadLength = inner.length + overhead - IPv6.size;
  outer.nextHeader = protocol;
  outer.hopLimit = TUNNEL_TTL;
  outer.src = source6;
  outer.dst = backend.address6;
  return finish(ctx, l3, backend, EtherType.IPv6, true);
}

function writeOuter4(ctx: XdpContext, l3: u32, { length, tos }: Inner, protocol: u8, overhead: u16, backend: Backend): boolean {
  const outer = ctx.at(IPv4, l3);
  if (!outer) return false;
  outer.version = 4;
  outer.ihl = 5;
  outer.tos = tos;
  outer.totalLength = length + overhead;
  outer.id = 0;
  outer.fragment = Ipv4Fragment.DONT_FRAGMENT;
  outer.ttl = TUNNEL_TTL;
  outer.protocol = protocol;
  outer.src = source4;
  outer.dst = backend.address4;
  outer.checksum = ipv4Checksum(outer);
  return true;
}

/** Without a checksum: RFC 6935 allows it for tunnels, whose contents have their own. */
function writeUdp(ctx: XdpContext, offset: u32, { length }: Inner, hash: u32): boolean {
  const udp = ctx.at(Udp, offset);
  if (!udp) return false;
  udp.sourcePort = FIRST_GUE_PORT | (hash & 0x3fff);
  udp.destinationPort = TunnelPort.GUE;
  udp.length = length + Udp.size;
  udp.checksum = 0;
  return true;
}

/** The frame's own header, in front of the outer one. */
function finish(ctx: XdpContext, l3: u32, backend: Backend, type: be16, written: boolean): XdpAction {
  const eth = ctx.at(Ethernet);
  const innermost = ctx.at(be16, l3 - TYPE);
  if (!written || !eth || !innermost) return XDP_DROP;
  innermost.value = type;
  return leaveToBackend(ctx, eth, backend);
}
