/**
 * IPv4 packets, TCP and UDP. A known connection's, without VLAN tags, are forwarded by `balance4` itself; all else is for functions that are called,
 * one after the other rather than by each other, since all of a chain's stack counts together.
 */
import { noinline, type u8, type u16, u32, XDP_DROP, XDP_PASS, type XdpAction, type XdpContext } from "wirescript/kernel";
import { Ethernet, IPv4, IpProtocol, Tcp, TcpFlag } from "wirescript/net";
import {
  ANSWER,
  actionOf,
  type Choice,
  CLOSING,
  choice,
  goesOn,
  isFlowNoteworthy,
  isGuarded,
  isNoteworthy,
  NEW,
  natPortOf,
  PASS,
  touch,
  touchFlow,
  tunnelHash,
} from "./balancer-choose.bpf.ts";
import { expired4, tooBig4 } from "./balancer-complain.bpf.ts";
import { countReply, countRequest, dropOfService, seconds } from "./balancer-count.bpf.ts";
import { findFlow4, lookUpFlow4 } from "./balancer-flows.bpf.ts";
import { flowHash4 } from "./balancer-hash.bpf.ts";
import { icmp4 } from "./balancer-icmp.bpf.ts";
import { leave, leaveToBackend } from "./balancer-leave.bpf.ts";
import {
  type Backend,
  backends,
  type Flow,
  FlowKey4,
  Mode,
  type Origin4,
  origins4,
  Reason,
  source4,
} from "./balancer-maps.bpf.ts";
import { isLong, roomBack, roomTo } from "./balancer-mtu.bpf.ts";
import { choose4, remember4, wantsPort } from "./balancer-open.bpf.ts";
import { ICMP_TO_VIP, inspect4, isPlain4, Known, type Slow, TO_BE_BALANCED } from "./balancer-other.bpf.ts";
import { flowKey4, flowWords4, Head4, readdress4, tcpFlags4, wordsOf4 } from "./balancer-packet.bpf.ts";
import { keepPort4, takePort4 } from "./balancer-ports.bpf.ts";
import { encapsulate4in4, tunnel4 } from "./balancer-tunnel.bpf.ts";

/** An Ethernet frame without tags that carries IPv4; `slow` is for all that is not the packet of a known connection. */
export function balance4(ctx: XdpContext, slow: Slow): XdpAction {
  const l3 = Ethernet.size;
  const head = ctx.at(Head4, l3);
  if (!head || !isPlain4(head.ip) || l3 + head.ip.totalLength > ctx.length) return slow(ctx, Known.NOTHING);
  const { ip } = head;
  let tcpFlags: u32 = 0;
  if (ip.protocol === IpProtocol.TCP) {
    const tcp = ctx.at(Tcp, l3 + IPv4.size);
    if (!tcp || ip.totalLength < IPv4.size + Tcp.size) return slow(ctx, Known.NOTHING);
    tcpFlags = tcp.flags & (TcpFlag.SYN | CLOSING);
  } else if (ip.protocol !== IpProtocol.UDP || ip.totalLength < Head4.size) {
    return slow(ctx, Known.NOTHING);
  }
  if (ip.dst === source4) {
    const origin = origins4.lookup(flowKey4(head));
    if (origin) return answer4(ctx, l3, origin);
  }
  const now = seconds();
  const words = flowWords4(ctx, l3, ip.protocol);
  const flow = words && findFlow4(words);
  const backend = flow && backends.lookup(flow.backend);
  if (!flow) return begin4(ctx);
  if (!backend || !goesOn(flow, backend, now, tcpFlags)) return slow(ctx, Known.OVER);
  if (isFlowNoteworthy(flow, now, tcpFlags) && !touch4(ctx, l3, flow, now, tcpFlags)) return slow(ctx, Known.OVER);
  return forward4(ctx, l3, head, flow.backend, backend, flow.natPort);
}

/** The first packet of a connection, without tags. In one piece, since calls are dear, and floods are made of these. */
const begin4 = noinline((ctx: XdpContext): XdpAction => {
  const l3 = Ethernet.size;
  let chosen = choose4(ctx, l3, false);
  if (chosen > 0 && wantsPort(chosen)) chosen = takePort4(ctx, l3, chosen);
  if (chosen < 0) return chosen === PASS ? XDP_PASS : XDP_DROP;
  if (!isGuarded(chosen)) remember4(ctx, l3, chosen);
  const number = u32(chosen);
  const head = ctx.at(Head4, l3);
  const backend = backends.lookup(number);
  return head && backend ? forward4(ctx, l3, head, number, backend, natPortOf(chosen)) : XDP_DROP;
});

const chooseAnew4 = noinline((ctx: XdpContext, l3: u32): Choice => choose4(ctx, l3, true));
const rememberAnew4 = noinline(remember4);

/** Any IPv4 packet, with tags in front or without. `known` is of `Known`. */
export const slow4 = noinline((ctx: XdpContext, l3: u32, known: u32): XdpAction => {
  const finding = known === Known.NOTHING ? inspect4(ctx, l3) : TO_BE_BALANCED;
  if (finding < 0) return actionOf(finding);
  if (finding < TO_BE_BALANCED) {
    const to = icmp4(ctx, l3, finding === ICMP_TO_VIP);
    return to > 0 ? tunnelTo4(ctx, l3, to) : actionOf(to);
  }
  let chosen = known === Known.NOTHING ? find4(ctx, l3) : NEW;
  if (chosen === ANSWER) return answerToKnown4(ctx, l3);
  if (chosen === NEW) {
    chosen = chooseAnew4(ctx, l3);
    if (chosen > 0 && wantsPort(chosen)) chosen = takePort4(ctx, l3, chosen);
    if (chosen < 0) return chosen === PASS ? XDP_PASS : XDP_DROP;
    if (!isGuarded(chosen)) rememberAnew4(ctx, l3, chosen);
  }
  return forwardAsChosen4(ctx, l3, chosen);
});

/** An ICMP error, to the backend that it is about. */
const tunnelTo4 = noinline((ctx: XdpContext, l3: u32, to: Choice): XdpAction => {
  const backend = backends.lookup(u32(to));
  return backend ? tunnel4(ctx, l3, backend, tunnelHash(to)) : XDP_DROP;
});

/** The connection that the packet is of, or NEW, or ANSWER. */
const find4 = noinline((ctx: XdpContext, l3: u32): Choice => {
  const head = ctx.at(Head4, l3);
  if (!head) return NEW;
  if (head.ip.dst === source4 && origins4.lookup(flowKey4(head))) return ANSWER;
  const now = seconds();
  const tcpFlags = tcpFlags4(ctx, l3);
  const words = flowWords4(ctx, l3, head.ip.protocol);
  const flow = words && lookUpFlow4(words);
  const backend = flow && backends.lookup(flow.backend);
  if (!flow || !backend || !goesOn(flow, backend, now, tcpFlags)) return NEW;
  if (isFlowNoteworthy(flow, now, tcpFlags) && !touch4(ctx, l3, flow, now, tcpFlags)) return NEW;
  return choice(flow.backend, flow.natPort);
});

const forwardAsChosen4 = noinline((ctx: XdpContext, l3: u32, chosen: Choice): XdpAction => {
  const number = u32(chosen);
  const head = ctx.at(Head4, l3);
  const backend = backends.lookup(number);
  return head && backend ? forward4(ctx, l3, head, number, backend, natPortOf(chosen)) : XDP_DROP;
});

const answerToKnown4 = noinline((ctx: XdpContext, l3: u32): XdpAction => {
  const head = ctx.at(Head4, l3);
  const origin = head && origins4.lookup(flowKey4(head));
  return origin ? answer4(ctx, l3, origin) : XDP_DROP;
});

/** Once a second, and at the end of a connection. False when it has lost its port of NAT. */
const touch4 = noinline((ctx: XdpContext, l3: u32, flow: Flow, now: u32, tcpFlags: u32): boolean => {
  touchFlow(flow, now, tcpFlags);
  return flow.natPort === 0 || keepPort4(ctx, l3, flow);
});

function forward4(ctx: XdpContext, l3: u32, head: Head4, number: u32, backend: Backend, natPort: u16): XdpAction {
  const { mode } = backend;
  countRequest(ctx, number, backend);
  if (mode !== Mode.DIRECT && head.ip.ttl <= 1) return expired4(ctx, l3);
  if (isLong(ctx, mode)) {
    const room = roomTo(ctx, l3, backend);
    if (head.ip.totalLength > room) return tooBig4(ctx, l3, room);
  }
  if (mode === Mode.DIRECT) {
    const eth = ctx.at(Ethernet);
    return eth ? leaveToBackend(ctx, eth, backend) : XDP_DROP;
  }
  if (mode === Mode.IPIP && backend.family === 4) return encapsulate4in4(ctx, l3, head.ip, backend);
  if (mode === Mode.NAT || mode === Mode.REDIRECT) return rewrite4(ctx, l3, head, backend, natPort);
  return tunnel4(ctx, l3, backend, flowHash4(head.ip.src, head.udp.sourcePort, head.udp.destinationPort));
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
const answer4 = noinline((ctx: XdpContext, l3: u32, origin: Origin4): XdpAction => {
  const eth = ctx.at(Ethernet);
  const head = ctx.at(Head4, l3);
  if (!eth || !head) return XDP_DROP;
  if (head.ip.ttl <= 1) return expired4(ctx, l3);
  if (isLong(ctx, Mode.NAT)) {
    const room = roomBack(ctx, l3, origin.ifindex);
    if (head.ip.totalLength > room) return tooBig4(ctx, l3, room);
  }
  const now = seconds();
  const tcpFlags = tcpFlags4(ctx, l3);
  if (isNoteworthy(origin, now, tcpFlags)) touchFromBehind4(origin, head.ip.protocol, now, tcpFlags);
  countReply(ctx, origin.backend, origin.service);
  const from = { address: origin.vip, port: origin.vipPort };
  const to = { address: origin.client, port: origin.clientPort };
  if (!readdress4(ctx, l3, head, from, to)) return XDP_DROP;
  return leave(ctx, eth, { ifindex: origin.ifindex, smac: origin.sourceMac, dmac: origin.mac });
});

/** An answer keeps its connection alive, or ends it. */
function touchFromBehind4(origin: Origin4, protocol: u8, now: u32, tcpFlags: u32): void {
  touch(origin, now, tcpFlags);
  const key = {
    client: origin.client,
    server: origin.vip,
    clientPort: origin.clientPort,
    serverPort: origin.vipPort,
    protocol,
    unused: FlowKey4.fields.unused(),
  };
  const flow = lookUpFlow4(wordsOf4(key));
  if (flow) touchFlow(flow, now, tcpFlags);
}
