/**
 * Source ports for NAT: each connection to a backend's address and port has one of its own, and `origins4` and `origins6` say whose it is. The search
 * starts at the connection's hash, so that a connection that `flows4` has forgotten finds its port again.
 */
import { noinline, type u16, u32, viewAs, type XdpContext } from "wirescript/kernel";
import { Ethernet, Ipv6Words } from "wirescript/net";
import { type Choice, choice, DROP, isOver } from "./balancer-choose.bpf.ts";
import { dropOfService, seconds } from "./balancer-count.bpf.ts";
import { flowHash4, flowHash6 } from "./balancer-hash.bpf.ts";
import {
  type Backend,
  backends,
  claims4,
  claims6,
  type Flow,
  FlowKey4,
  FlowKey6,
  FlowState,
  nat_first,
  nat_ports,
  type Origin4,
  type Origin6,
  origins4,
  origins6,
  Reason,
  source4,
  source6,
} from "./balancer-maps.bpf.ts";
import { Head4, type Head6, head6At, type Place6, unpacked } from "./balancer-packet.bpf.ts";

const TRIES = 64;
const STEP = 7919;
/** How long a port rests after its connection, in seconds: a late packet of the old one must not reach the new one. */
const REST = 4;

/** The choice with a port for the packet at `l3`; DROP when all that were tried are taken. */
export const takePort4 = noinline((ctx: XdpContext, l3: u32, chosen: Choice): Choice => {
  const head = ctx.at(Head4, l3);
  if (!head) return DROP;
  const hash = flowHash4(head.ip.src, head.udp.sourcePort, head.udp.destinationPort);
  const number = u32(chosen);
  for (let i = 0; i < TRIES; i++) {
    const port: u16 = nat_first + ((hash + i * STEP) % nat_ports);
    if (takeThisPort4(ctx, l3, number, port)) return choice(number, port);
  }
  const backend = backends.lookup(number);
  if (backend) dropOfService(ctx, backend.service, Reason.NO_NAT_PORT);
  return DROP;
});

const takeThisPort4 = noinline((ctx: XdpContext, l3: u32, number: u32, port: u16): boolean => {
  const eth = ctx.at(Ethernet);
  const head = ctx.at(Head4, l3);
  const backend = backends.lookup(number);
  if (!eth || !head || !backend) return false;
  const now = seconds();
  const key = keyOf4(head, backend, port);
  const known = origins4.lookup(key);
  const same = known !== null && isSame4(known, head);
  if (known && !same && !isFree(known, now)) return false;
  const origin = originOf4(ctx, eth, head, backend, number, now);
  if (!known) return origins4.update(key, origin, "noexist");
  if (same) return origins4.update(key, origin);
  if (!claims4.update(key, now, "noexist")) return false;
  // Another CPU may have taken it before the claim.
  const still = origins4.lookup(key);
  const taken = (!still || isFree(still, now)) && origins4.update(key, origin);
  claims4.delete(key);
  return taken;
});

/**
 * Keeps the connection's port: notes that it is in use, and where answers go now. False when the port has been forgotten and is another's
 * meanwhile.
 */
export function keepPort4(ctx: XdpContext, l3: u32, flow: Flow): boolean {
  const eth = ctx.at(Ethernet);
  const head = ctx.at(Head4, l3);
  const backend = backends.lookup(flow.backend);
  if (!eth || !head || !backend) return true;
  const key = keyOf4(head, backend, flow.natPort);
  const known = origins4.lookup(key);
  if (!known) return origins4.update(key, originOf4(ctx, eth, head, backend, flow.backend, flow.lastSeen), "noexist");
  if (!isSame4(known, head)) return false;
  known.lastSeen = flow.lastSeen;
  known.state = flow.state;
  known.mac = eth.src;
  known.sourceMac = eth.dst;
  known.ifindex = ctx.ingressIfindex;
  return true;
}

function keyOf4({ ip, udp }: Head4, backend: Backend, natPort: u16): FlowKey4 {
  return {
    client: backend.address4,
    server: source4,
    clientPort: backend.port === 0 ? udp.destinationPort : backend.port,
    serverPort: natPort,
    protocol: ip.protocol,
    unused: FlowKey4.fields.unused(),
  };
}

function originOf4(ctx: XdpContext, eth: Ethernet, { ip, udp }: Head4, backend: Backend, number: u32, now: u32): Origin4 {
  return {
    client: ip.src,
    vip: ip.dst,
    clientPort: udp.sourcePort,
    vipPort: udp.destinationPort,
    mac: eth.src,
    sourceMac: eth.dst,
    ifindex: ctx.ingressIfindex,
    backend: number,
    service: backend.service,
    lastSeen: now,
    timeout: backend.timeout,
    state: FlowState.OPEN,
  };
}

function isSame4({ client, vip, clientPort, vipPort }: Origin4, { ip, udp }: Head4): boolean {
  return client === ip.src && vip === ip.dst && clientPort === udp.sourcePort && vipPort === udp.destinationPort;
}

function isFree({ state, lastSeen, timeout }: Origin4 | Origin6, now: u32): boolean {
  return isOver(now, lastSeen, timeout) || (state === FlowState.CLOSED && isOver(now, lastSeen, REST));
}

export const takePort6 = noinline((ctx: XdpContext, place: u32, chosen: Choice): Choice => {
  const head = head6At(ctx, unpacked(place));
  if (!head) return DROP;
  const hash = flowHash6(viewAs(head.ip.src, Ipv6Words), head.udp.sourcePort, head.udp.destinationPort);
  const number = u32(chosen);
  for (let i = 0; i < TRIES; i++) {
    const port: u16 = nat_first + ((hash + i * STEP) % nat_ports);
    if (takeThisPort6(ctx, place, number, port)) return choice(number, port);
  }
  const backend = backends.lookup(number);
  if (backend) dropOfService(ctx, backend.service, Reason.NO_NAT_PORT);
  return DROP;
});

const takeThisPort6 = noinline((ctx: XdpContext, place: u32, number: u32, port: u16): boolean => {
  const eth = ctx.at(Ethernet);
  const head = head6At(ctx, unpacked(place));
  const backend = backends.lookup(number);
  if (!eth || !head || !backend) return false;
  const now = seconds();
  const key = keyOf6(head, backend, port);
  const known = origins6.lookup(key);
  const same = known !== null && isSame6(known, head);
  if (known && !same && !isFree(known, now)) return false;
  const origin = originOf6(ctx, eth, head, backend, number, now);
  if (!known) return origins6.update(key, origin, "noexist");
  if (same) return origins6.update(key, origin);
  if (!claims6.update(key, now, "noexist")) return false;
  // Another CPU may have taken it before the claim.
  const still = origins6.lookup(key);
  const taken = (!still || isFree(still, now)) && origins6.update(key, origin);
  claims6.delete(key);
  return taken;
});

export function keepPort6(ctx: XdpContext, place: Place6, flow: Flow): boolean {
  const eth = ctx.at(Ethernet);
  const head = head6At(ctx, place);
  const backend = backends.lookup(flow.backend);
  if (!eth || !head || !backend) return true;
  const key = keyOf6(head, backend, flow.natPort);
  const known = origins6.lookup(key);
  if (!known) return origins6.update(key, originOf6(ctx, eth, head, backend, flow.backend, flow.lastSeen), "noexist");
  if (!isSame6(known, head)) return false;
  known.lastSeen = flow.lastSeen;
  known.state = flow.state;
  known.mac = eth.src;
  known.sourceMac = eth.dst;
  known.ifindex = ctx.ingressIfindex;
  return true;
}

function keyOf6({ udp, protocol }: Head6, backend: Backend, natPort: u16): FlowKey6 {
  return {
    client: backend.address6,
    server: source6,
    clientPort: backend.port === 0 ? udp.destinationPort : backend.port,
    serverPort: natPort,
    protocol,
    unused: FlowKey6.fields.unused(),
  };
}

function originOf6(ctx: XdpContext, eth: Ethernet, { ip, udp }: Head6, backend: Backend, number: u32, now: u32): Origin6 {
  return {
    client: ip.src,
    vip: ip.dst,
    clientPort: udp.sourcePort,
    vipPort: udp.destinationPort,
    mac: eth.src,
    sourceMac: eth.dst,
    ifindex: ctx.ingressIfindex,
    backend: number,
    service: backend.service,
    lastSeen: now,
    timeout: backend.timeout,
    state: FlowState.OPEN,
  };
}

function isSame6({ client, vip, clientPort, vipPort }: Origin6, { ip, udp }: Head6): boolean {
  return clientPort === udp.sourcePort && vipPort === udp.destinationPort && client.equals(ip.src) && vip.equals(ip.dst);
}
