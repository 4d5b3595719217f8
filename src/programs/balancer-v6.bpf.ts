/** IPv6 packets, TCP and UDP: as balancer-v4.bpf.ts. The transport header is at `l4`, behind extension headers if there are any. */
import { noinline, type u16, u32, viewAs, XDP_DROP, XDP_PASS, type XdpAction, type XdpContext } from "wirescript/kernel";
import { Ethernet, IPv6, IpProtocol, Ipv6Words, ipv6Address, Tcp, Udp } from "wirescript/net";
import {
  ANSWER,
  actionOf,
  type Choice,
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
import { expired6, tooBig6 } from "./balancer-complain.bpf.ts";
import { countReply, countRequest, dropOfService, seconds } from "./balancer-count.bpf.ts";
import { findFlow6, lookUpFlow6 } from "./balancer-flows.bpf.ts";
import { flowHash6 } from "./balancer-hash.bpf.ts";
import { icmp6 } from "./balancer-icmp6.bpf.ts";
import { leave, leaveToBackend } from "./balancer-leave.bpf.ts";
import {
  type Backend,
  backends,
  type Flow,
  FlowKey6,
  Mode,
  type Origin6,
  origins6,
  Reason,
  source6,
} from "./balancer-maps.bpf.ts";
import { isLong, roomBack, roomTo } from "./balancer-mtu.bpf.ts";
import { choose6, remember6, wantsPort } from "./balancer-open.bpf.ts";
import { ICMP_TO_VIP, inspect6, Known, type Slow, TO_BE_BALANCED } from "./balancer-other.bpf.ts";
import {
  Address6,
  flowKey6,
  flowWords6,
  type Head6,
  head6At,
  type Place6,
  packed,
  readdress6,
  tcpFlags6,
  unpacked,
  wordsOf6,
} from "./balancer-packet.bpf.ts";
import { keepPort6, takePort6 } from "./balancer-ports.bpf.ts";
import { tunnel6 } from "./balancer-tunnel.bpf.ts";

/** An Ethernet frame without tags that carries IPv6; as `balance4`. */
export function balance6(ctx: XdpContext, slow: Slow): XdpAction {
  const l3 = Ethernet.size;
  const l4 = l3 + IPv6.size;
  const ip = ctx.at(IPv6, l3);
  if (!ip) return slow(ctx, Known.NOTHING);
  const { version, payloadLength, nextHeader: protocol } = ip;
  const least = protocol === IpProtocol.TCP ? Tcp.size : Udp.size;
  if (version !== 6 || payloadLength < least || l4 + payloadLength > ctx.length) return slow(ctx, Known.NOTHING);
  if (protocol !== IpProtocol.TCP && protocol !== IpProtocol.UDP) return slow(ctx, Known.NOTHING);
  const place = { l3, l4, protocol };
  const head = head6At(ctx, place);
  if (!head) return XDP_DROP;
  if (ip.dst.equals(source6)) {
    const origin = origins6.lookup(flowKey6(head));
    if (origin) return answer6(ctx, packed(place), origin);
  }
  const now = seconds();
  const tcpFlags = tcpFlags6(ctx, place);
  const words = flowWords6(ctx, place);
  const flow = words && findFlow6(words);
  const backend = flow && backends.lookup(flow.backend);
  if (!flow) return slow(ctx, Known.NEW);
  if (!backend || !goesOn(flow, backend, now, tcpFlags)) return slow(ctx, Known.OVER);
  if (isFlowNoteworthy(flow, now, tcpFlags) && !touch6(ctx, packed(place), flow, now, tcpFlags)) return slow(ctx, Known.OVER);
  return forward6(ctx, place, head, flow.backend, backend, flow.natPort);
}

/** As `slow4`. */
export const slow6 = noinline((ctx: XdpContext, l3: u32, known: u32): XdpAction => {
  const found = inspect6(ctx, l3);
  if (found < 0) return actionOf(found);
  if (found < TO_BE_BALANCED) {
    const to = icmp6(ctx, l3, found === ICMP_TO_VIP);
    return to > 0 ? tunnelTo6(ctx, l3, to) : actionOf(to);
  }
  const place = u32(found);
  let chosen = known === Known.NOTHING ? find6(ctx, place) : NEW;
  if (chosen === ANSWER) return answerToKnown6(ctx, place);
  if (chosen === NEW) {
    chosen = choose6(ctx, place, known !== Known.NEW);
    if (chosen > 0 && wantsPort(chosen)) chosen = takePort6(ctx, place, chosen);
    if (chosen < 0) return chosen === PASS ? XDP_PASS : XDP_DROP;
    if (!isGuarded(chosen)) remember6(ctx, place, chosen);
  }
  return forwardAsChosen6(ctx, place, chosen);
});

/** An ICMP error, to the backend that it is about. */
const tunnelTo6 = noinline((ctx: XdpContext, l3: u32, to: Choice): XdpAction => {
  const backend = backends.lookup(u32(to));
  return backend ? tunnel6(ctx, l3, backend, tunnelHash(to)) : XDP_DROP;
});

/** The connection that the packet is of, or NEW, or ANSWER. */
const find6 = noinline((ctx: XdpContext, packedPlace: u32): Choice => {
  const place = unpacked(packedPlace);
  const head = head6At(ctx, place);
  if (!head) return NEW;
  if (head.ip.dst.equals(source6) && origins6.lookup(flowKey6(head))) return ANSWER;
  const now = seconds();
  const tcpFlags = tcpFlags6(ctx, place);
  const words = flowWords6(ctx, place);
  const flow = words && lookUpFlow6(words);
  const backend = flow && backends.lookup(flow.backend);
  if (!flow || !backend || !goesOn(flow, backend, now, tcpFlags)) return NEW;
  if (isFlowNoteworthy(flow, now, tcpFlags) && !touch6(ctx, packedPlace, flow, now, tcpFlags)) return NEW;
  return choice(flow.backend, flow.natPort);
});

const forwardAsChosen6 = noinline((ctx: XdpContext, packedPlace: u32, chosen: Choice): XdpAction => {
  const place = unpacked(packedPlace);
  const number = u32(chosen);
  const head = head6At(ctx, place);
  const backend = backends.lookup(number);
  return head && backend ? forward6(ctx, place, head, number, backend, natPortOf(chosen)) : XDP_DROP;
});

const answerToKnown6 = noinline((ctx: XdpContext, place: u32): XdpAction => {
  const head = head6At(ctx, unpacked(place));
  const origin = head && origins6.lookup(flowKey6(head));
  return origin ? answer6(ctx, place, origin) : XDP_DROP;
});

/** As `touch4`. */
const touch6 = noinline((ctx: XdpContext, place: u32, flow: Flow, now: u32, tcpFlags: u32): boolean => {
  touchFlow(flow, now, tcpFlags);
  return flow.natPort === 0 || keepPort6(ctx, unpacked(place), flow);
});

function forward6(ctx: XdpContext, place: Place6, head: Head6, number: u32, backend: Backend, natPort: u16): XdpAction {
  const { mode } = backend;
  countRequest(ctx, number, backend);
  if (mode !== Mode.DIRECT && head.ip.hopLimit <= 1) return expired6(ctx, place.l3);
  if (isLong(ctx, mode)) {
    const room = roomTo(ctx, place.l3, backend);
    if (IPv6.size + head.ip.payloadLength > room) return tooBig6(ctx, place.l3, room);
  }
  if (mode === Mode.DIRECT) {
    const eth = ctx.at(Ethernet);
    return eth ? leaveToBackend(ctx, eth, backend) : XDP_DROP;
  }
  if (mode === Mode.NAT || mode === Mode.REDIRECT) return rewrite6(ctx, packed(place), backend, natPort);
  return tunnel6(
    ctx,
    place.l3,
    backend,
    flowHash6(viewAs(head.ip.src, Ipv6Words), head.udp.sourcePort, head.udp.destinationPort),
  );
}

/** NAT on the way to the backend, and REDIRECT. */
const rewrite6 = noinline((ctx: XdpContext, packedPlace: u32, backend: Backend, natPort: u16): XdpAction => {
  const place = unpacked(packedPlace);
  const eth = ctx.at(Ethernet);
  const head = head6At(ctx, place);
  if (!eth || !head) return XDP_DROP;
  const { ip, udp } = head;
  const { port } = backend;
  if (backend.family !== 6) return dropOfService(ctx, backend.service, Reason.UNFIT);
  const to = { address: viewAs(backend.address6, Address6), port: port === 0 ? udp.destinationPort : port };
  if (backend.mode === Mode.NAT) {
    readdress6(ctx, place, head, { address: viewAs(source6, Address6), port: natPort }, to);
  } else if (backend.source6.equals(ipv6Address())) {
    readdress6(ctx, place, head, { address: viewAs(ip.src, Address6), port: udp.sourcePort }, to);
  } else {
    readdress6(ctx, place, head, { address: viewAs(backend.source6, Address6), port: udp.sourcePort }, to);
  }
  return leaveToBackend(ctx, eth, backend);
});

/** A backend's answer, in NAT: `origin` is whom it is for. */
const answer6 = noinline((ctx: XdpContext, packedPlace: u32, origin: Origin6): XdpAction => {
  const place = unpacked(packedPlace);
  const eth = ctx.at(Ethernet);
  const head = head6At(ctx, place);
  if (!eth || !head) return XDP_DROP;
  if (head.ip.hopLimit <= 1) return expired6(ctx, place.l3);
  if (isLong(ctx, Mode.NAT)) {
    const room = roomBack(ctx, place.l3, origin.ifindex);
    if (IPv6.size + head.ip.payloadLength > room) return tooBig6(ctx, place.l3, room);
  }
  const now = seconds();
  const tcpFlags = tcpFlags6(ctx, place);
  if (isNoteworthy(origin, now, tcpFlags)) {
    touch(origin, now, tcpFlags);
    const key = {
      client: origin.client,
      server: origin.vip,
      clientPort: origin.clientPort,
      serverPort: origin.vipPort,
      protocol: place.protocol,
      unused: FlowKey6.fields.unused(),
    };
    const flow = lookUpFlow6(wordsOf6(key));
    if (flow) touchFlow(flow, now, tcpFlags);
  }
  countReply(ctx, origin.backend, origin.service);
  const from = { address: viewAs(origin.vip, Address6), port: origin.vipPort };
  const to = { address: viewAs(origin.client, Address6), port: origin.clientPort };
  if (!readdress6(ctx, place, head, from, to)) return XDP_DROP;
  return leave(ctx, eth, { ifindex: origin.ifindex, smac: origin.sourceMac, dmac: origin.mac });
});
