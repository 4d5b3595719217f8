/**
 * Source ports for NAT: each connection to a backend's address and port has one of its own, and `origins4` and `origins6` say whose it is. The search
 * starts at the connection's hash, so that a connection that `flows4` has forgotten finds its port again.
 */
import { noinline, type u16, type u32, type XdpContext } from "wirescript/kernel";
import { Ethernet } from "wirescript/net";
import { isOver } from "./balancer-choose.bpf.ts";
import { seconds } from "./balancer-count.bpf.ts";
import {
  type Backend,
  backends,
  claims4,
  type Flow,
  FlowKey4,
  FlowState,
  nat_first,
  nat_ports,
  type Origin4,
  origins4,
  source4,
} from "./balancer-maps.bpf.ts";
import { Head4 } from "./balancer-packet.bpf.ts";

const TRIES = 16;
const STEP = 7919;
/** How long a port rests after its connection, in seconds: a late packet of the old one must not reach the new one. */
const REST = 4;

/** A port for the packet at `l3` to the backend `number`; 0 when all that were tried are taken. */
export const takePort4 = noinline((ctx: XdpContext, l3: u32, number: u32, hash: u32): u16 => {
  for (let i = 0; i < TRIES; i++) {
    const port: u16 = nat_first + ((hash + i * STEP) % nat_ports);
    if (takeThisPort4(ctx, l3, number, port)) return port;
  }
  return 0;
});

const takeThisPort4 = noinline((ctx: XdpContext, l3: u32, number: u32, port: u16): boolean => {
  const eth = ctx.at(Ethernet);
  const head = ctx.at(Head4, l3);
  const backend = backends.lookup(number);
  if (!eth || !head || !backend) return false;
  const now = seconds();
  const key = keyOf(head, backend, port);
  const known = origins4.lookup(key);
  const same = known !== null && isSame(known, head);
  if (known && !same && !isFree(known, now)) return false;
  const origin = originOf(ctx, eth, head, backend, number, now);
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
  const key = keyOf(head, backend, flow.natPort);
  const known = origins4.lookup(key);
  if (!known) return origins4.update(key, originOf(ctx, eth, head, backend, flow.backend, flow.lastSeen), "noexist");
  if (!isSame(known, head)) return false;
  known.lastSeen = flow.lastSeen;
  known.state = flow.state;
  known.mac = eth.src;
  known.sourceMac = eth.dst;
  known.ifindex = ctx.ingressIfindex;
  return true;
}

function keyOf({ ip, udp }: Head4, backend: Backend, natPort: u16): FlowKey4 {
  return {
    client: backend.address4,
    server: source4,
    clientPort: backend.port === 0 ? udp.destinationPort : backend.port,
    serverPort: natPort,
    protocol: ip.protocol,
    unused: FlowKey4.fields.unused(),
  };
}

function originOf(ctx: XdpContext, eth: Ethernet, { ip, udp }: Head4, backend: Backend, number: u32, now: u32): Origin4 {
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

function isSame({ client, vip, clientPort, vipPort }: Origin4, { ip, udp }: Head4): boolean {
  return client === ip.src && vip === ip.dst && clientPort === udp.sourcePort && vipPort === udp.destinationPort;
}

function isFree({ state, lastSeen, timeout }: Origin4, now: u32): boolean {
  return isOver(now, lastSeen, timeout) || (state === FlowState.CLOSED && isOver(now, lastSeen, REST));
}
