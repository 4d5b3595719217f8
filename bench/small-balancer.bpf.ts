/**
 * A small load balancer, to compare compilers by: it has a counterpart in C that does the same to the byte. The one to use is
 * src/programs/balancer.bpf.ts. What comes for a service goes on to one of its backends, always the same for a connection.
 *
 * A service is an address, a port and a protocol (`services`). A connection that is new takes its backend from the service's part of
 * `ring`, where user space has spread the backends as Maglev does (NSDI 2016, section 3.4), by a hash of the client; from then on
 * `connections` remembers it, so that a change of the ring moves new connections only. How packets reach the backend is the service's mode:
 *
 * - DIRECT: the backend has the service's address too, on the same link; only the MAC addresses change, and it answers the client itself;
 * - TUNNEL: the same over routers, by IP in IP (RFC 2003);
 * - NAT: addresses and ports are rewritten, and the answers, which must come back this way, are rewritten by `replies`.
 *
 * One interface, in and out (XDP_TX). IPv4 only; what has a VLAN tag, IP options, or is a fragment is left to the network stack.
 */
import {
  array,
  be16,
  be32,
  bytes,
  hash,
  type Infer,
  lruHash,
  perCpuArray,
  setting,
  struct,
  u8,
  u16,
  u32,
  u64,
  type View,
  XDP_DROP,
  XDP_PASS,
  XDP_TX,
  type XdpAction,
  type XdpContext,
  xdp,
} from "wirescript/kernel";
import {
  applyToChecksum,
  applyToUdpChecksum,
  checksumDifference,
  checksumWordDifference,
  Ethernet,
  EtherType,
  IPv4,
  IpProtocol,
  Ipv4Fragment,
  ipv4Checksum,
  mac,
  Tcp,
  Udp,
} from "wirescript/net";

/** The most services, and slots of each one's ring: a prime, so that every backend's turns reach every slot. */
export const MAX_SERVICES = 64;
export const RING_SIZE = 16_381;

/** How packets reach the backends. */
export const Mode = { DIRECT: 0, TUNNEL: 1, NAT: 2 } as const;

/** The router's MAC address, where answers to clients go, and the outer source address of tunnels. */
const gateway = setting(mac, mac());
const tunnel_source = setting(be32, 0);

const ServiceKey = struct({ address: be32, port: be16, protocol: u8, unused: u8 });
/** `number` is below MAX_SERVICES. */
const Service = struct({ number: u32, mode: u32 });
type Service = Infer<typeof Service>;
export const services = hash({ key: ServiceKey, value: Service, entries: MAX_SERVICES });

/** `port` counts for NAT only. An address of 0 says that there is no such backend. */
const Backend = struct({ address: be32, port: be16, mac });
type Backend = Infer<typeof Backend>;
export const backends = array({ value: Backend, entries: 4096 });

/** The ring of service n starts at n times RING_SIZE. */
export const ring = array({ value: u32, entries: MAX_SERVICES * RING_SIZE });

const Flow = struct({ client: be32, server: be32, clientPort: be16, serverPort: be16, protocol: u8, unused: bytes(3) });
type Flow = Infer<typeof Flow>;
/** The backend of each connection, by the client and the service. */
export const connections = lruHash({ key: Flow, value: u32, entries: 65_536 });

/** For NAT: which service the backend's answers come from, by the client and the backend. */
const Origin = struct({ address: be32, port: be16, unused: u16 });
export const replies = lruHash({ key: Flow, value: Origin, entries: 65_536 });

const ServiceRecord = struct({ packets: u64, bytes: u64 });
/** By the service's number: what came from clients. */
export const service_stats = perCpuArray({ value: ServiceRecord, entries: MAX_SERVICES });

/** What both TCP and UDP start with. One check of the packet's length is enough for all that is looked at. */
const Headers = struct({ eth: Ethernet, ip: IPv4, sourcePort: be16, destinationPort: be16 });
type Headers = View<typeof Headers>;

const TRANSPORT = Ethernet.size + IPv4.size;
const IS_FRAGMENT = Ipv4Fragment.MORE_FRAGMENTS | Ipv4Fragment.OFFSET;

export const balancer = xdp((ctx) => {
  const headers = ctx.at(Headers);
  if (!headers) return XDP_PASS;
  const { eth, ip } = headers;
  if (eth.type !== EtherType.IPv4 || ip.version !== 4 || ip.ihl !== 5) return XDP_PASS;
  if ((ip.fragment & IS_FRAGMENT) !== 0) return XDP_PASS;
  if (ip.protocol !== IpProtocol.TCP && ip.protocol !== IpProtocol.UDP) return XDP_PASS;

  const service = services.lookup({ address: ip.dst, port: headers.destinationPort, protocol: ip.protocol, unused: 0 });
  return service ? forward(ctx, headers, service) : answer(ctx, headers);
});

/** From a client to a service. */
function forward(ctx: XdpContext, headers: Headers, service: Service): XdpAction {
  const { ip } = headers;
  const record = service_stats.lookup(service.number);
  if (!record) return XDP_DROP;
  record.packets++;
  record.bytes += ctx.length;

  const flow = {
    client: ip.src,
    server: ip.dst,
    clientPort: headers.sourcePort,
    serverPort: headers.destinationPort,
    protocol: ip.protocol,
    unused: Flow.fields.unused(),
  };
  const backend = backends.lookup(backendOf(flow, service.number));
  if (!backend || backend.address === 0) return XDP_DROP;
  if (service.mode === Mode.TUNNEL) return encapsulate(ctx, headers, backend);
  if (service.mode === Mode.NAT) {
    // The answers come from the backend.
    flow.server = backend.address;
    flow.serverPort = backend.port;
    replies.update(flow, { address: ip.dst, port: headers.destinationPort, unused: 0 });
    if (!rewriteDestination(ctx, headers, backend)) return XDP_DROP;
  }
  send(headers.eth, backend.mac);
  return XDP_TX;
}

/** The backend's number: the connection's, or for a new one the next in turn. */
function backendOf(flow: Flow, service: u32): u32 {
  const known = connections.lookup(flow);
  if (known) return known.value;
  const slot = ring.lookup(service * RING_SIZE + (hashOf(flow) % RING_SIZE));
  if (!slot) return 0;
  const chosen = slot.value;
  connections.update(flow, chosen);
  return chosen;
}

/** Spreads clients evenly: the mixing steps of MurmurHash3 (public domain). */
function hashOf({ client, clientPort, serverPort }: Flow): u32 {
  let hash: u32 = client ^ u32(((clientPort << 16) | serverPort) * 0x9e3779b1);
  hash = u32((hash ^ (hash >> 16)) * 0x85ebca6b);
  hash = u32((hash ^ (hash >> 13)) * 0xc2b2ae35);
  return hash ^ (hash >> 16);
}

/** From this host to `dst`. */
function send(eth: Ethernet, dst: Ethernet["dst"]): void {
  eth.src = eth.dst;
  eth.dst = dst;
}

function encapsulate(ctx: XdpContext, headers: Headers, backend: Backend): XdpAction {
  const own = headers.eth.dst;
  const { tos, totalLength } = headers.ip;
  if (!ctx.adjustHead(-IPv4.size)) return XDP_DROP;
  const eth = ctx.at(Ethernet);
  const outer = ctx.at(IPv4, Ethernet.size);
  if (!eth || !outer) return XDP_DROP;
  eth.dst = backend.mac;
  eth.src = own;
  eth.type = EtherType.IPv4;
  outer.version = 4;
  outer.ihl = 5;
  outer.tos = tos;
  outer.totalLength = totalLength + IPv4.size;
  outer.id = 0;
  outer.fragment = Ipv4Fragment.DONT_FRAGMENT;
  outer.ttl = 64;
  outer.protocol = IpProtocol.IPIP;
  outer.src = tunnel_source;
  outer.dst = backend.address;
  outer.checksum = ipv4Checksum(outer);
  return XDP_TX;
}

/** False when the packet ends within its transport header. */
function rewriteDestination(ctx: XdpContext, headers: Headers, { address, port }: Backend): boolean {
  const { ip } = headers;
  const moved = checksumWordDifference(ip.dst, address);
  const changed = moved + checksumDifference(headers.destinationPort, port);
  if (!updateChecksum(ctx, ip.protocol, changed)) return false;
  ip.checksum = applyToChecksum(ip.checksum, moved);
  ip.dst = address;
  headers.destinationPort = port;
  return true;
}

/** From a backend to a client, when it is an answer to what was rewritten; anything else is none of our business. */
function answer(ctx: XdpContext, headers: Headers): XdpAction {
  const { eth, ip, sourcePort } = headers;
  const origin = replies.lookup({
    client: ip.dst,
    server: ip.src,
    clientPort: headers.destinationPort,
    serverPort: sourcePort,
    protocol: ip.protocol,
    unused: Flow.fields.unused(),
  });
  if (!origin) return XDP_PASS;
  const { address, port } = origin;
  const moved = checksumWordDifference(ip.src, address);
  const changed = moved + checksumDifference(sourcePort, port);
  if (!updateChecksum(ctx, ip.protocol, changed)) return XDP_DROP;
  ip.checksum = applyToChecksum(ip.checksum, moved);
  ip.src = address;
  headers.sourcePort = port;
  send(eth, gateway);
  return XDP_TX;
}

/** That of TCP or UDP, which cover the address and the port. False when the packet ends within the header. */
function updateChecksum(ctx: XdpContext, protocol: u8, changed: u64): boolean {
  if (protocol === IpProtocol.TCP) {
    const tcp = ctx.at(Tcp, TRANSPORT);
    if (!tcp) return false;
    tcp.checksum = applyToChecksum(tcp.checksum, changed);
    return true;
  }
  const udp = ctx.at(Udp, TRANSPORT);
  if (!udp) return false;
  udp.checksum = applyToUdpChecksum(udp.checksum, changed);
  return true;
}
