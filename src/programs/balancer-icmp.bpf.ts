/**
 * ICMP to the balancer: ping is answered, and errors go to whom they are about. An error from the client's side quotes a packet that the service sent;
 * it goes to the backend that did. One from behind, to the address that NAT sends from, quotes a packet that we forwarded; it goes to the client.
 */
import { type i64, noinline, struct, type u32, type View, XDP_DROP, type XdpAction, type XdpContext } from "wirescript/kernel";
import {
  applyToChecksum,
  applyToUdpChecksum,
  checksumDifference,
  checksumWordDifference,
  Ethernet,
  Icmp,
  IcmpError,
  IcmpType,
  IPv4,
  IpProtocol,
  replaceInChecksum,
  Tcp,
} from "wirescript/net";
import { done, throughTunnel } from "./balancer-choose.bpf.ts";
import { count, drop, pass } from "./balancer-count.bpf.ts";
import { lookUpFlow4 } from "./balancer-flows.bpf.ts";
import { flowHash4 } from "./balancer-hash.bpf.ts";
import { leave, leaveBackwards, leaveToBackend } from "./balancer-leave.bpf.ts";
import {
  type Backend,
  BackendState,
  backends,
  type Flow,
  FlowKey4,
  Mode,
  type Origin4,
  origins4,
  Reason,
  source4,
} from "./balancer-maps.bpf.ts";
import { type End4, Head4, wordsOf4 } from "./balancer-packet.bpf.ts";

const OWN_TTL = 64;

/** An error, with as much of the packet that it is about as all errors have. */
const Error4 = struct({ ip: IPv4, icmp: IcmpError, about: Head4 });
type Error4 = View<typeof Error4>;

/** A whole message without options to an address of ours; `isVip`: to a service's. Answers `done`, or `throughTunnel`. */
export const icmp4 = noinline((ctx: XdpContext, l3: u32, isVip: boolean): i64 => {
  const icmp = ctx.at(Icmp, l3 + IPv4.size);
  if (!icmp) return done(isVip ? drop(ctx, Reason.MALFORMED) : pass(ctx, Reason.NO_ORIGIN));
  if (isVip && icmp.type === IcmpType.ECHO_REQUEST) return done(answerPing4(ctx, l3, icmp));
  if (!isError4(icmp)) return done(isVip ? drop(ctx, Reason.NO_SERVICE) : pass(ctx, Reason.NO_ORIGIN));
  const error = ctx.at(Error4, l3);
  if (error && error.ip.totalLength >= Error4.size && isAboutOurs(error)) {
    const key = keyOfQuoted(error);
    const flow = lookUpFlow4(wordsOf4(key));
    const backend = flow && backends.lookup(flow.backend);
    if (flow && backend && flow.generation === backend.generation && backend.state === BackendState.UP) {
      if (backend.mode !== Mode.REDIRECT) return errorToBackend4(ctx, l3, error, flow, backend);
    }
    const origin = origins4.lookup(key);
    if (origin) return done(errorToClient4(ctx, l3, error, origin));
  }
  return done(isVip ? drop(ctx, Reason.ICMP_UNKNOWN) : pass(ctx, Reason.NO_ORIGIN));
});

function answerPing4(ctx: XdpContext, l3: u32, icmp: Icmp): XdpAction {
  const eth = ctx.at(Ethernet);
  const ip = ctx.at(IPv4, l3);
  if (!eth || !ip) return XDP_DROP;
  count(ctx, Reason.ECHO);
  const client = ip.src;
  ip.src = ip.dst;
  ip.dst = client;
  ip.checksum = replaceInChecksum(ip.checksum, ip.ttl << 8, OWN_TTL << 8);
  ip.ttl = OWN_TTL;
  icmp.type = IcmpType.ECHO_REPLY;
  icmp.checksum = replaceInChecksum(icmp.checksum, IcmpType.ECHO_REQUEST << 8, IcmpType.ECHO_REPLY << 8);
  return leaveBackwards(eth);
}

function isError4({ type }: Icmp): boolean {
  switch (type) {
    case IcmpType.DESTINATION_UNREACHABLE:
    case IcmpType.TIME_EXCEEDED:
    case IcmpType.PARAMETER_PROBLEM:
      return true;
    default:
      return false;
  }
}

/** Whether the quoted packet is one that left from the address that the error is sent to, with ports. */
function isAboutOurs({ ip, about }: Error4): boolean {
  const { version, ihl, fragment, protocol, src } = about.ip;
  if (version !== 4 || ihl !== 5 || (fragment & 0x1fff) !== 0 || src !== ip.dst) return false;
  return protocol === IpProtocol.TCP || protocol === IpProtocol.UDP;
}

/** Of the client's connection, when the quoted packet is what the service sent it; of the backend's answers, when it is what we sent the backend. */
function keyOfQuoted({ about: { ip, udp } }: Error4): FlowKey4 {
  return {
    client: ip.dst,
    server: ip.src,
    clientPort: udp.destinationPort,
    serverPort: udp.sourcePort,
    protocol: ip.protocol,
    unused: FlowKey4.fields.unused(),
  };
}

function errorToBackend4(ctx: XdpContext, l3: u32, error: Error4, flow: Flow, backend: Backend): i64 {
  const eth = ctx.at(Ethernet);
  if (!eth) return done(XDP_DROP);
  if (backend.mode !== Mode.DIRECT && error.ip.ttl <= 1) return done(drop(ctx, Reason.TTL_EXPIRED));
  count(ctx, Reason.ICMP_ERROR);
  if (backend.mode === Mode.DIRECT) return done(leaveToBackend(ctx, eth, backend));
  const { ip, udp } = error.about;
  if (backend.mode !== Mode.NAT) {
    return throughTunnel(flow.backend, flowHash4(ip.dst, udp.destinationPort, udp.sourcePort));
  }
  const outer = { source: source4, destination: backend.address4 };
  const from = { address: backend.address4, port: backend.port === 0 ? udp.sourcePort : backend.port };
  translate4(ctx, l3, error, outer, from, { address: source4, port: flow.natPort });
  return done(leaveToBackend(ctx, eth, backend));
}

function errorToClient4(ctx: XdpContext, l3: u32, error: Error4, origin: Origin4): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_DROP;
  if (error.ip.ttl <= 1) return drop(ctx, Reason.TTL_EXPIRED);
  count(ctx, Reason.ICMP_ERROR);
  const outer = { source: origin.vip, destination: origin.client };
  const from = { address: origin.client, port: origin.clientPort };
  translate4(ctx, l3, error, outer, from, { address: origin.vip, port: origin.vipPort });
  return leave(ctx, eth, { ifindex: origin.ifindex, smac: origin.sourceMac, dmac: origin.mac });
}

/** Gives the error other ends, and the packet that it quotes. Its checksum covers all of that. */
function translate4(
  ctx: XdpContext,
  l3: u32,
  { ip, icmp, about }: Error4,
  outer: { source: u32; destination: u32 },
  from: End4,
  to: End4,
): void {
  const inner = about.ip;
  const moved = checksumWordDifference(inner.src, from.address) + checksumWordDifference(inner.dst, to.address);
  const ports = checksumDifference(about.udp.sourcePort, from.port) + checksumDifference(about.udp.destinationPort, to.port);
  const header = applyToChecksum(inner.checksum, moved);
  let changed = moved + checksumDifference(inner.checksum, header) + ports;
  inner.checksum = header;
  if (inner.protocol === IpProtocol.UDP) {
    const udp = applyToUdpChecksum(about.udp.checksum, moved + ports);
    changed += checksumDifference(about.udp.checksum, udp);
    about.udp.checksum = udp;
  } else if (ip.totalLength >= Error4.size - UDP_PART + Tcp.size) {
    // Many routers quote eight bytes only, in front of TCP's checksum.
    const tcp = ctx.at(Tcp, l3 + Error4.size - UDP_PART);
    if (tcp) {
      const segment = applyToChecksum(tcp.checksum, moved + ports);
      changed += checksumDifference(tcp.checksum, segment);
      tcp.checksum = segment;
    }
  }
  icmp.checksum = applyToChecksum(icmp.checksum, changed);
  inner.src = from.address;
  inner.dst = to.address;
  about.udp.sourcePort = from.port;
  about.udp.destinationPort = to.port;

  const readdressed = checksumWordDifference(ip.src, outer.source) + checksumWordDifference(ip.dst, outer.destination);
  // TTL is the high byte of its word; the protocol below it does not change.
  ip.checksum = applyToChecksum(ip.checksum, readdressed + checksumDifference(0x0100, 0));
  ip.ttl--;
  ip.src = outer.source;
  ip.dst = outer.destination;
}
const UDP_PART = 8;
