/** The first packet of a connection: which service it is for, which backend gets it, and that this is remembered. */
import { noinline, type u16, type u32, type XdpContext } from "wirescript/kernel";
import { TcpFlag } from "wirescript/net";
import { type Choice, choice, choose, DROP, mayRemember, PASS } from "./balancer-choose.bpf.ts";
import { count, countFlow, drop, dropOfService } from "./balancer-count.bpf.ts";
import { flowHash4 } from "./balancer-hash.bpf.ts";
import {
  type Backend,
  backends,
  type Flow,
  FlowState,
  flows4,
  Mode,
  Reason,
  type Service,
  ServiceFlag,
  services4,
  source4,
  vips4,
} from "./balancer-maps.bpf.ts";
import { flowKey4, Head4 } from "./balancer-packet.bpf.ts";
import { takePort4 } from "./balancer-ports.bpf.ts";

/** For the packet at `l3`, which has no connection, or one whose backend is none any more. */
export const open4 = noinline((ctx: XdpContext, l3: u32, now: u32, tcpFlags: u32): Choice => {
  const head = ctx.at(Head4, l3);
  if (!head) return DROP;
  const service = serviceOf4(head);
  if (!service) return refuse4(ctx, head);
  const { ip, udp } = head;
  const affine = (service.flags & ServiceFlag.SOURCE_AFFINITY) !== 0;
  const hash = affine ? flowHash4(ip.src, 0, 0) : flowHash4(ip.src, udp.sourcePort, udp.destinationPort);
  const number = choose(service, hash);
  const backend = backends.lookup(number);
  if (number === 0 || !backend) return dropped(ctx, service.number, Reason.NO_BACKEND);

  const key = flowKey4(head);
  const known = flows4.lookup(key);
  if (known) {
    if (!isReopened(known, tcpFlags) && isMoved(known, number, backend)) count(ctx, Reason.MOVED);
  } else if (!mayRemember(now)) {
    if (backend.mode === Mode.NAT) return dropped(ctx, service.number, Reason.RATE_GUARD);
    count(ctx, Reason.RATE_GUARD);
    return choice(number, 0);
  }
  let natPort: u16 = 0;
  if (backend.mode === Mode.NAT) {
    if (source4 === 0 || backend.family !== 4) return dropped(ctx, service.number, Reason.UNFIT);
    natPort = takePort4(ctx, l3, number, flowHash4(ip.src, udp.sourcePort, udp.destinationPort));
    if (natPort === 0) return dropped(ctx, service.number, Reason.NO_NAT_PORT);
  }
  const flow = { backend: number, generation: backend.generation, lastSeen: now, natPort, state: FlowState.OPEN, unused: 0 };
  if (flows4.update(key, flow)) countFlow(number, service.number);
  return choice(number, natPort);
});

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

function serviceOf4({ ip, udp }: Head4): Service | null {
  const key = { address: ip.dst, port: udp.destinationPort, protocol: ip.protocol, prefixLength: 32 };
  const exact = services4.lookup(key);
  if (exact) return exact;
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
}

function refuse4(ctx: XdpContext, { ip }: Head4): Choice {
  if (ip.dst === source4) {
    count(ctx, Reason.NO_ORIGIN);
    return PASS;
  }
  if (vips4.lookup({ prefixLength: 32, address: ip.dst })) {
    drop(ctx, Reason.NO_SERVICE);
    return DROP;
  }
  count(ctx, Reason.NOT_OURS);
  return PASS;
}
