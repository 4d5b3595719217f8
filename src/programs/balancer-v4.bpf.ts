/** IPv4 packets, TCP and UDP: known connections are forwarded here, and all else is for the functions that are called. */
import { noinline, type u8, type u16, u32, XDP_DROP, XDP_PASS, type XdpAction, type XdpContext } from "wirescript/kernel";
import { Ethernet, IPv4, IpProtocol, Ipv4Fragment, Tcp, TcpFlag } from "wirescript/net";
import { CLOSING, goesOn, natPortOf, PASS } from "./balancer-choose.bpf.ts";
import { expired4 } from "./balancer-complain.bpf.ts";
import { countReply, countRequest, dropOfService, seconds } from "./balancer-count.bpf.ts";
import { leave, leaveToBackend } from "./balancer-leave.bpf.ts";
import {
  type Backend,
  backends,
  type Flow,
  FlowKey4,
  FlowState,
  flows4,
  Mode,
  type Origin4,
  origins4,
  Reason,
  source4,
} from "./balancer-maps.bpf.ts";
import { open4 } from "./balancer-open.bpf.ts";
import { other4 } from "./balancer-other.bpf.ts";
import { flowKey4, Head4, readdress4 } from "./balancer-packet.bpf.ts";
import { keepPort4 } from "./balancer-ports.bpf.ts";
import { encapsulate4in4, tunnel4 } from "./balancer-tunnel.bpf.ts";

const NO_OPTIONS = 5;
const IS_FRAGMENT = Ipv4Fragment.MORE_FRAGMENTS | Ipv4Fragment.OFFSET;

/** A frame with an IPv4 packet at `l3`. */
export function balance4(ctx: XdpContext, l3: u32): XdpAction {
  const head = ctx.at(Head4, l3);
  if (!head) return other4(ctx, l3);
  const { ip } = head;
  if (ip.version !== 4 || ip.ihl !== NO_OPTIONS || (ip.fragment & IS_FRAGMENT) !== 0) return other4(ctx, l3);
  if (ip.totalLength < Head4.size || l3 + ip.totalLength > ctx.length) return other4(ctx, l3);
  let tcpFlags: u32 = 0;
  if (ip.protocol === IpProtocol.TCP) {
    const tcp = ctx.at(Tcp, l3 + IPv4.size);
    if (!tcp || ip.totalLength < IPv4.size + Tcp.size) return other4(ctx, l3);
    tcpFlags = tcp.flags & (TcpFlag.SYN | CLOSING);
  } else if (ip.protocol !== IpProtocol.UDP) {
    return other4(ctx, l3);
  }

  const key = flowKey4(head);
  const now = seconds();
  if (ip.dst === source4) {
    const origin = origins4.lookup(key);
    if (origin) return answer4(ctx, l3, origin, now, tcpFlags);
  }
  const flow = flows4.lookup(key);
  let number: u32 = 0;
  let natPort: u16 = 0;
  let backend = flow && backends.lookup(flow.backend);
  if (flow && backend && goesOn(flow, backend, now, tcpFlags) && isKept4(ctx, l3, flow, now, tcpFlags)) {
    number = flow.backend;
    natPort = flow.natPort;
  } else {
    const chosen = open4(ctx, l3, now, tcpFlags);
    if (chosen < 0) return chosen === PASS ? XDP_PASS : XDP_DROP;
    number = u32(chosen);
    natPort = natPortOf(chosen);
    backend = backends.lookup(number);
  }
  return backend ? forward4(ctx, l3, head, number, backend, natPort) : XDP_DROP;
}

function isKept4(ctx: XdpContext, l3: u32, flow: Flow, now: u32, tcpFlags: u32): boolean {
  return (flow.lastSeen === now && (tcpFlags & CLOSING) === 0) || touch4(ctx, l3, flow, now, tcpFlags);
}

/** Once a second, and at the end of a connection. False when it has lost its port of NAT. */
const touch4 = noinline((ctx: XdpContext, l3: u32, flow: Flow, now: u32, tcpFlags: u32): boolean => {
  flow.lastSeen = now;
  if ((tcpFlags & CLOSING) !== 0) flow.state = FlowState.CLOSED;
  return flow.natPort === 0 || keepPort4(ctx, l3, flow);
});

function forward4(ctx: XdpContext, l3: u32, head: Head4, number: u32, backend: Backend, natPort: u16): XdpAction {
  const { mode } = backend;
  countRequest(ctx, number, backend);
  if (mode === Mode.DIRECT) {
    const eth = ctx.at(Ethernet);
    return eth ? leaveToBackend(ctx, eth, backend) : XDP_DROP;
  }
  if (head.ip.ttl <= 1) return expired4(ctx, l3);
  if (mode === Mode.IPIP && backend.family === 4) return encapsulate4in4(ctx, l3, head.ip, backend);
  if (mode === Mode.NAT || mode === Mode.REDIRECT) return rewrite4(ctx, l3, head, backend, natPort);
  return tunnel4(ctx, l3, backend);
}

/** NAT on the way to the backend, and REDIRECT. */
function rewrite4(ctx: XdpContext, l3: u32, head: Head4, backend: Backend, natPort: u16): XdpAction {
  const { ip, udp } = head;
  const { port, source4: own } = backend;
  if (backend.family !== 4) return dropOfService(ctx, backend.service, Reason.UNFIT);
  const nat = backend.mode === Mode.NAT;
  const source = nat ? source4 : own === 0 ? ip.src : own;
  const from = { address: source, port: nat ? natPort : udp.sourcePort };
  const to = { address: backend.address4, port: port === 0 ? udp.destinationPort : port };
  const eth = ctx.at(Ethernet);
  if (!eth || !readdress4(ctx, l3, head, from, to)) return dropOfService(ctx, backend.service, Reason.MALFORMED);
  return leaveToBackend(ctx, eth, backend);
}

/** A backend's answer, in NAT: `origin` is whom it is for. */
const answer4 = noinline((ctx: XdpContext, l3: u32, origin: Origin4, now: u32, tcpFlags: u32): XdpAction => {
  const eth = ctx.at(Ethernet);
  const head = ctx.at(Head4, l3);
  if (!eth || !head) return XDP_DROP;
  if (head.ip.ttl <= 1) return expired4(ctx, l3);
  if (origin.lastSeen !== now || (tcpFlags & CLOSING) !== 0) touchFromBehind4(origin, head.ip.protocol, now, tcpFlags);
  countReply(ctx, origin.backend, origin.service);
  const from = { address: origin.vip, port: origin.vipPort };
  const to = { address: origin.client, port: origin.clientPort };
  if (!readdress4(ctx, l3, head, from, to)) return XDP_DROP;
  return leave(ctx, eth, { ifindex: origin.ifindex, smac: origin.sourceMac, dmac: origin.mac });
});

/** An answer keeps its connection alive, or ends it. */
function touchFromBehind4(origin: Origin4, protocol: u8, now: u32, tcpFlags: u32): void {
  origin.lastSeen = now;
  if ((tcpFlags & CLOSING) !== 0) origin.state = FlowState.CLOSED;
  const flow = flows4.lookup({
    client: origin.client,
    server: origin.vip,
    clientPort: origin.clientPort,
    serverPort: origin.vipPort,
    protocol,
    unused: FlowKey4.fields.unused(),
  });
  if (!flow) return;
  flow.lastSeen = now;
  if ((tcpFlags & CLOSING) !== 0) flow.state = FlowState.CLOSED;
}
