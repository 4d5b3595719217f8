/** ICMPv6 to the balancer: as balancer-icmp.bpf.ts. Neighbour and router discovery is the network stack's. */
import {
  type i64,
  noinline,
  struct,
  type u32,
  type View,
  viewAs,
  XDP_DROP,
  type XdpAction,
  type XdpContext,
} from "wirescript/kernel";
import {
  applyToChecksum,
  applyToUdpChecksum,
  checksumAddressDifference,
  checksumDifference,
  Ethernet,
  Icmp,
  Icmpv6Error,
  Icmpv6Type,
  IPv6,
  IpProtocol,
  Ipv6Words,
  replaceInChecksum,
  Tcp,
  Udp,
} from "wirescript/net";
import { done, throughTunnel } from "./balancer-choose.bpf.ts";
import { count, drop, pass } from "./balancer-count.bpf.ts";
import { lookUpFlow6 } from "./balancer-flows.bpf.ts";
import { flowHash6 } from "./balancer-hash.bpf.ts";
import { leave, leaveBackwards, leaveToBackend } from "./balancer-leave.bpf.ts";
import {
  type Backend,
  BackendState,
  backends,
  type Flow,
  FlowKey6,
  Mode,
  type Origin6,
  origins6,
  Reason,
  source6,
} from "./balancer-maps.bpf.ts";
import { Address6, type End6, wordsOf6 } from "./balancer-packet.bpf.ts";

const OWN_HOP_LIMIT = 64;

/** An error without extension headers, with as much of the packet that it is about as all errors have. */
const Error6 = struct({ ip: IPv6, icmp: Icmpv6Error, inner: IPv6, udp: Udp });
type Error6 = View<typeof Error6>;
/** Where the inner transport header is. */
const INNER = Error6.size - Udp.size;

/** A whole message to an address of ours; `isVip`: to a service's. Answers `done`, or `throughTunnel`. */
export const icmp6 = noinline((ctx: XdpContext, l3: u32, isVip: boolean): i64 => {
  const ip = ctx.at(IPv6, l3);
  const icmp = ctx.at(Icmp, l3 + IPv6.size);
  if (!ip || !icmp) return done(isVip ? drop(ctx, Reason.MALFORMED) : pass(ctx, Reason.NO_ORIGIN));
  if (isVip && icmp.type === Icmpv6Type.ECHO_REQUEST) return done(answerPing6(ctx, ip, icmp));
  if (icmp.type < Icmpv6Type.DESTINATION_UNREACHABLE || icmp.type > Icmpv6Type.PARAMETER_PROBLEM) {
    return done(isVip ? drop(ctx, Reason.NO_SERVICE) : pass(ctx, Reason.NO_ORIGIN));
  }
  const error = ctx.at(Error6, l3);
  if (error && error.ip.payloadLength >= Error6.size - IPv6.size && isAboutOurs(error)) {
    const key = keyOfQuoted(error);
    const flow = lookUpFlow6(wordsOf6(key));
    const backend = flow && backends.lookup(flow.backend);
    if (flow && backend && flow.generation === backend.generation && backend.state === BackendState.UP) {
      if (backend.mode !== Mode.REDIRECT) return errorToBackend6(ctx, l3, error, flow, backend);
    }
    const origin = origins6.lookup(key);
    if (origin) return done(errorToClient6(ctx, l3, error, origin));
  }
  return done(isVip ? drop(ctx, Reason.ICMP_UNKNOWN) : pass(ctx, Reason.NO_ORIGIN));
});

function answerPing6(ctx: XdpContext, ip: IPv6, icmp: Icmp): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_DROP;
  count(ctx, Reason.ECHO);
  const client = ip.src;
  ip.src = ip.dst;
  ip.dst = client;
  ip.hopLimit = OWN_HOP_LIMIT;
  icmp.type = Icmpv6Type.ECHO_REPLY;
  icmp.checksum = replaceInChecksum(icmp.checksum, Icmpv6Type.ECHO_REQUEST << 8, Icmpv6Type.ECHO_REPLY << 8);
  return leaveBackwards(eth);
}

/** Whether the quoted packet is one that left from the address that the error is sent to, with ports. */
function isAboutOurs({ ip, inner }: Error6): boolean {
  if (inner.version !== 6 || !inner.src.equals(ip.dst)) return false;
  return inner.nextHeader === IpProtocol.TCP || inner.nextHeader === IpProtocol.UDP;
}

function keyOfQuoted({ inner, udp }: Error6): FlowKey6 {
  return {
    client: inner.dst,
    server: inner.src,
    clientPort: udp.destinationPort,
    serverPort: udp.sourcePort,
    protocol: inner.nextHeader,
    unused: FlowKey6.fields.unused(),
  };
}

function errorToBackend6(ctx: XdpContext, l3: u32, error: Error6, flow: Flow, backend: Backend): i64 {
  const eth = ctx.at(Ethernet);
  if (!eth) return done(XDP_DROP);
  if (backend.mode !== Mode.DIRECT && error.ip.hopLimit <= 1) return done(drop(ctx, Reason.TTL_EXPIRED));
  count(ctx, Reason.ICMP_ERROR);
  if (backend.mode === Mode.DIRECT) return done(leaveToBackend(ctx, eth, backend));
  const { inner, udp } = error;
  if (backend.mode !== Mode.NAT) {
    return throughTunnel(flow.backend, flowHash6(viewAs(inner.dst, Ipv6Words), udp.destinationPort, udp.sourcePort));
  }
  const own = viewAs(source6, Address6);
  const theirs = viewAs(backend.address6, Address6);
  const from = { address: theirs, port: backend.port === 0 ? udp.sourcePort : backend.port };
  translate6(ctx, l3, error, { source: own, destination: theirs }, from, { address: own, port: flow.natPort });
  return done(leaveToBackend(ctx, eth, backend));
}

function errorToClient6(ctx: XdpContext, l3: u32, error: Error6, origin: Origin6): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_DROP;
  if (error.ip.hopLimit <= 1) return drop(ctx, Reason.TTL_EXPIRED);
  count(ctx, Reason.ICMP_ERROR);
  const vip = viewAs(origin.vip, Address6);
  const client = viewAs(origin.client, Address6);
  const from = { address: client, port: origin.clientPort };
  translate6(ctx, l3, error, { source: vip, destination: client }, from, { address: vip, port: origin.vipPort });
  return leave(ctx, eth, { ifindex: origin.ifindex, smac: origin.sourceMac, dmac: origin.mac });
}

/** Gives the error other ends, and the packet that it quotes. Its checksum covers all of that. */
function translate6(
  ctx: XdpContext,
  l3: u32,
  { ip, icmp, inner, udp }: Error6,
  outer: { source: Address6; destination: Address6 },
  from: End6,
  to: End6,
): void {
  const moved =
    checksumAddressDifference(viewAs(inner.src, Ipv6Words), viewAs(from.address, Ipv6Words)) +
    checksumAddressDifference(viewAs(inner.dst, Ipv6Words), viewAs(to.address, Ipv6Words));
  const ports = checksumDifference(udp.sourcePort, from.port) + checksumDifference(udp.destinationPort, to.port);
  let changed =
    moved +
    ports +
    checksumAddressDifference(viewAs(ip.src, Ipv6Words), viewAs(outer.source, Ipv6Words)) +
    checksumAddressDifference(viewAs(ip.dst, Ipv6Words), viewAs(outer.destination, Ipv6Words));
  if (inner.nextHeader === IpProtocol.UDP) {
    const checksum = applyToUdpChecksum(udp.checksum, moved + ports);
    changed += checksumDifference(udp.checksum, checksum);
    udp.checksum = checksum;
  } else if (ip.payloadLength >= INNER - IPv6.size + Tcp.size) {
    const tcp = ctx.at(Tcp, l3 + INNER);
    if (tcp) {
      const checksum = applyToChecksum(tcp.checksum, moved + ports);
      changed += checksumDifference(tcp.checksum, checksum);
      tcp.checksum = checksum;
    }
  }
  icmp.checksum = applyToChecksum(icmp.checksum, changed);
  inner.src = from.address.bytes;
  inner.dst = to.address.bytes;
  udp.sourcePort = from.port;
  udp.destinationPort = to.port;
  ip.hopLimit--;
  ip.src = outer.source.bytes;
  ip.dst = outer.destination.bytes;
}
