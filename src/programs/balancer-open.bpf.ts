/** The first packet of a connection: which service it is for, which backend gets it, and that this is remembered. */
import { noinline, u32, viewAs, type XdpContext } from "wirescript/kernel";
import { IPv4, IPv6, Ipv6Words, ipv6Address, TcpFlag } from "wirescript/net";
import { type Choice, choice, DROP, guarded, mayRemember, natPortOf, PASS, slotOf } from "./balancer-choose.bpf.ts";
import { count, countFlow, dropOfService, seconds } from "./balancer-count.bpf.ts";
import { keepFlow4, keepFlow6, lookUpFlow4, lookUpFlow6 } from "./balancer-flows.bpf.ts";
import { flowHash4, flowHash6 } from "./balancer-hash.bpf.ts";
import {
  type Backend,
  BackendState,
  backends,
  type Flow,
  FlowState,
  Mode,
  Reason,
  type Service,
  ServiceFlag,
  services4,
  services6,
  source4,
  source6,
  vips4,
  vips6,
} from "./balancer-maps.bpf.ts";
import { flowWords4, flowWords6, Head4, head6At, tcpFlags4, tcpFlags6, unpacked } from "./balancer-packet.bpf.ts";

/** The backend for the packet at `l3`, which has no connection (`mayBeKnown` false), or one that does not go on. */
export function choose4(ctx: XdpContext, l3: u32, mayBeKnown: boolean): Choice {
  const head = ctx.at(Head4, l3);
  if (!head) return DROP;
  const { ip, udp } = head;
  const key = { address: ip.dst, port: udp.destinationPort, protocol: ip.protocol, prefixLength: 32 };
  const service = services4.lookup(key) ?? widerServiceOf4(ctx, l3);
  if (!service) return refuse4(ctx, l3);
  const affine = (service.flags & ServiceFlag.SOURCE_AFFINITY) !== 0;
  const hash = affine ? flowHash4(ip.src, 0, 0) : flowHash4(ip.src, udp.sourcePort, udp.destinationPort);
  const number = slotOf(service, hash);
  const backend = backends.lookup(number);
  if (number === 0 || backend?.state !== BackendState.UP) return dropped(ctx, service.number, Reason.NO_BACKEND);
  if (backend.mode === Mode.NAT && (source4 === 0 || backend.family !== 4)) return dropped(ctx, service.number, Reason.UNFIT);
  const words = flowWords4(ctx, l3, ip.protocol);
  const known = mayBeKnown && words ? lookUpFlow4(words) : null;
  return admit(ctx, known, number, backend, tcpFlags4(ctx, l3));
}

/** The connection of the packet at `l3` has its backend, and its port, from now on. */
export function remember4(ctx: XdpContext, l3: u32, chosen: Choice): void {
  const ip = ctx.at(IPv4, l3);
  const words = ip && flowWords4(ctx, l3, ip.protocol);
  const flow = flowOf(chosen);
  if (words && flow && keepFlow4(words, flow)) countFlow(flow.backend);
}

/** Whether the backend's packets need a port of NAT. */
export function wantsPort(chosen: Choice): boolean {
  return backends.lookup(u32(chosen))?.mode === Mode.NAT;
}

function flowOf(chosen: Choice): Flow | null {
  const number = u32(chosen);
  const backend = backends.lookup(number);
  if (!backend) return null;
  return {
    backend: number,
    generation: backend.generation,
    lastSeen: seconds(),
    natPort: natPortOf(chosen),
    state: FlowState.OPEN,
    grace: 0,
  };
}

/** `known` is the connection that does not go on, if there was one. */
function admit(ctx: XdpContext, known: Flow | null, number: u32, backend: Backend, tcpFlags: u32): Choice {
  if (known) {
    if (!isReopened(known, tcpFlags) && isMoved(known, number, backend)) count(ctx, Reason.MOVED);
    return choice(number, 0);
  }
  if (mayRemember(seconds())) return choice(number, 0);
  if (backend.mode === Mode.NAT) return dropped(ctx, backend.service, Reason.RATE_GUARD);
  count(ctx, Reason.RATE_GUARD);
  return guarded(number);
}

function dropped(ctx: XdpContext, service: u32, reason: u32): Choice {
  dropOfService(ctx, service, reason);
  return DROP;
}

/** A SYN after the end of the connection before. */
function isReopened({ state }: Flow, tcpFlags: u32): boolean {
  return state === FlowState.CLOSED && (tcpFlags & TcpFlag.SYN) !== 0;
}

function isMoved({ backend, generation }: Flow, number: u32, chosen: Backend): boolean {
  return backend !== number || generation !== chosen.generation;
}

/** The service of all ports, or of a prefix, that the packet at `l3` is for: the most specific one. */
const widerServiceOf4 = noinline((ctx: XdpContext, l3: u32): Service | null => {
  const head = ctx.at(Head4, l3);
  if (!head) return null;
  const { ip, udp } = head;
  const key = { address: ip.dst, port: udp.destinationPort, protocol: ip.protocol, prefixLength: 32 };
  const vip = vips4.lookup({ prefixLength: 32, address: ip.dst });
  if (!vip) return null;
  key.port = 0;
  const ofAllPorts = services4.lookup(key);
  if (ofAllPorts) return ofAllPorts;
  key.address = vip.network;
  key.prefixLength = vip.prefixLength;
  key.port = udp.destinationPort;
  const ofPrefix = services4.lookup(key);
  if (ofPrefix) return ofPrefix;
  key.port = 0;
  return services4.lookup(key);
});

const refuse4 = noinline((ctx: XdpContext, l3: u32): Choice => {
  const ip = ctx.at(IPv4, l3);
  if (!ip) return DROP;
  if (ip.dst === source4) {
    count(ctx, Reason.NO_ORIGIN);
    return PASS;
  }
  if (vips4.lookup({ prefixLength: 32, address: ip.dst })) {
    count(ctx, Reason.NO_SERVICE);
    return DROP;
  }
  count(ctx, Reason.NOT_OURS);
  return PASS;
});

export const choose6 = noinline((ctx: XdpContext, packedPlace: u32, mayBeKnown: boolean): Choice => {
  const place = unpacked(packedPlace);
  const head = head6At(ctx, place);
  if (!head) return DROP;
  const service = serviceOf6(ctx, packedPlace);
  if (!service) return refuse6(ctx, place.l3);
  const { ip, udp } = head;
  const affine = (service.flags & ServiceFlag.SOURCE_AFFINITY) !== 0;
  const client = viewAs(ip.src, Ipv6Words);
  const hash = affine ? flowHash6(client, 0, 0) : flowHash6(client, udp.sourcePort, udp.destinationPort);
  const number = slotOf(service, hash);
  const backend = backends.lookup(number);
  if (number === 0 || backend?.state !== BackendState.UP) return dropped(ctx, service.number, Reason.NO_BACKEND);
  const unfit = backend.mode === Mode.NAT && (source6.equals(ipv6Address()) || backend.family !== 6);
  if (unfit) return dropped(ctx, service.number, Reason.UNFIT);
  const words = flowWords6(ctx, place);
  const known = mayBeKnown && words ? lookUpFlow6(words) : null;
  return admit(ctx, known, number, backend, tcpFlags6(ctx, place));
});

export const remember6 = noinline((ctx: XdpContext, place: u32, chosen: Choice): void => {
  const words = flowWords6(ctx, unpacked(place));
  const flow = flowOf(chosen);
  if (words && flow && keepFlow6(words, flow)) countFlow(flow.backend);
});

const serviceOf6 = noinline((ctx: XdpContext, place: u32): Service | null => {
  const head = head6At(ctx, unpacked(place));
  if (!head) return null;
  const { ip, udp, protocol } = head;
  const key = { address: ip.dst, port: udp.destinationPort, protocol, prefixLength: 128 };
  const exact = services6.lookup(key);
  if (exact) return exact;
  const vip = vips6.lookup({ prefixLength: 128, address: ip.dst });
  if (!vip) return null;
  key.port = 0;
  const ofAllPorts = services6.lookup(key);
  if (ofAllPorts) return ofAllPorts;
  key.address = vip.network;
  key.prefixLength = vip.prefixLength;
  key.port = udp.destinationPort;
  const ofPrefix = services6.lookup(key);
  if (ofPrefix) return ofPrefix;
  key.port = 0;
  return services6.lookup(key);
});

const refuse6 = noinline((ctx: XdpContext, l3: u32): Choice => {
  const ip = ctx.at(IPv6, l3);
  if (!ip) return DROP;
  if (ip.dst.equals(source6)) {
    count(ctx, Reason.NO_ORIGIN);
    return PASS;
  }
  if (vips6.lookup({ prefixLength: 128, address: ip.dst })) {
    count(ctx, Reason.NO_SERVICE);
    return DROP;
  }
  count(ctx, Reason.NOT_OURS);
  return PASS;
});
