/** What the balancer sees of TCP and UDP packets, and how their addresses and ports are rewritten. */
import {
  type be16,
  type be32,
  bytes,
  type Infer,
  local,
  struct,
  u8,
  u32,
  u64,
  type View,
  viewAs,
  type XdpContext,
} from "wirescript/kernel";
import {
  applyToChecksum,
  applyToUdpChecksum,
  checksumAddressDifference,
  checksumDifference,
  checksumWordDifference,
  IPv4,
  IPv6,
  IpProtocol,
  Ipv6Words,
  ipv6Address,
  Tcp,
  TcpFlag,
  Udp,
} from "wirescript/net";
import { FlowKey4, FlowKey6 } from "./balancer-maps.bpf.ts";

/** An IPv4 header without options, and as much of TCP as UDP has. */
export const Head4 = struct({ ip: IPv4, udp: Udp });
export type Head4 = View<typeof Head4>;

/** The connection that a packet is of, from its sender's side: a client's, or, for an answer in NAT, the backend's. */
export function flowKey4({ ip, udp }: Head4): FlowKey4 {
  return {
    client: ip.src,
    server: ip.dst,
    clientPort: udp.sourcePort,
    serverPort: udp.destinationPort,
    protocol: ip.protocol,
    unused: FlowKey4.fields.unused(),
  };
}

/** The same in two words, as they lie in memory. */
export const Words4 = struct({ addresses: u64, portsAndProtocol: u64 });
export type Words4 = Infer<typeof Words4>;
const Raw4 = struct({ before: bytes(12), addresses: u64, ports: u32 });

/** As `flowKey4`, of the packet at `l3`. */
export function flowWords4(ctx: XdpContext, l3: u32, protocol: u8): Words4 | null {
  const raw = ctx.at(Raw4, l3);
  return raw ? { addresses: raw.addresses, portsAndProtocol: raw.ports | (protocol << 32) } : null;
}

/** A key that is no packet's, in words. */
export function wordsOf4(key: FlowKey4): Words4 {
  const memory = local(Memory4);
  memory.key = key;
  const { addresses, portsAndProtocol } = viewAs(memory, Words4);
  return { addresses, portsAndProtocol };
}

const Memory4 = struct({ key: FlowKey4 });

/** SYN, FIN and RST; none for UDP. */
export function tcpFlags4(ctx: XdpContext, l3: u32): u32 {
  const ip = ctx.at(IPv4, l3);
  const tcp = ctx.at(Tcp, l3 + IPv4.size);
  return ip && tcp && ip.protocol === IpProtocol.TCP ? tcp.flags & BEGIN_OR_END : 0;
}
const BEGIN_OR_END = TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST;

/** One end of a connection. */
export interface End4 {
  address: be32;
  port: be16;
}

/** Gives the packet at `l3` another source and destination, and takes one from its TTL. False when it ends within its header. */
export function readdress4(ctx: XdpContext, l3: u32, { ip, udp }: Head4, source: End4, destination: End4): boolean {
  const moved = checksumWordDifference(ip.src, source.address) + checksumWordDifference(ip.dst, destination.address);
  const changed =
    moved + checksumDifference(udp.sourcePort, source.port) + checksumDifference(udp.destinationPort, destination.port);
  if (ip.protocol === IpProtocol.TCP) {
    const tcp = ctx.at(Tcp, l3 + IPv4.size);
    if (!tcp) return false;
    tcp.checksum = applyToChecksum(tcp.checksum, changed);
  } else {
    udp.checksum = applyToUdpChecksum(udp.checksum, changed);
  }
  // TTL is the high byte of its word; the protocol below it does not change.
  ip.checksum = applyToChecksum(ip.checksum, moved + checksumDifference(0x0100, 0));
  ip.ttl--;
  ip.src = source.address;
  ip.dst = destination.address;
  udp.sourcePort = source.port;
  udp.destinationPort = destination.port;
  return true;
}

/** Where an IPv6 packet's headers are, and which one the transport header is: there may be extension headers between them. */
export interface Place6 {
  l3: u32;
  l4: u32;
  protocol: u8;
}

/** A place in one number, for functions that are called. */
export function packed({ l3, l4, protocol }: Place6): u32 {
  return u32((l4 << 16) | (protocol << 8) | l3);
}

export function unpacked(place: u32): Place6 {
  return { l3: place & 0xff, l4: place >> 16, protocol: u8(place >> 8) };
}

export interface Head6 {
  ip: IPv6;
  udp: Udp;
  protocol: u8;
}

export function head6At(ctx: XdpContext, { l3, l4, protocol }: Place6): Head6 | null {
  const ip = ctx.at(IPv6, l3);
  const udp = ctx.at(Udp, l4);
  return ip && udp ? { ip, udp, protocol } : null;
}

export function flowKey6({ ip, udp, protocol }: Head6): FlowKey6 {
  return {
    client: ip.src,
    server: ip.dst,
    clientPort: udp.sourcePort,
    serverPort: udp.destinationPort,
    protocol,
    unused: FlowKey6.fields.unused(),
  };
}

/** As `flowKey6`, in words. */
export const Words6 = struct({ client: u64, client2: u64, server: u64, server2: u64, portsAndProtocol: u64 });
export type Words6 = Infer<typeof Words6>;
const Addresses6 = struct({ client: u64, client2: u64, server: u64, server2: u64 });

/** As `flowKey6`, of the packet at `place`. */
export function flowWords6(ctx: XdpContext, { l3, l4, protocol }: Place6): Words6 | null {
  const addresses = ctx.at(Addresses6, l3 + ADDRESSES6);
  const ports = ctx.at(u32, l4);
  if (!addresses || !ports) return null;
  const { client, client2, server, server2 } = addresses;
  return { client, client2, server, server2, portsAndProtocol: ports.value | (protocol << 32) };
}
/** Where they are in the header. */
const ADDRESSES6 = IPv6.size - Addresses6.size;

/** As `wordsOf4`. */
export function wordsOf6(key: FlowKey6): Words6 {
  const memory = local(Memory6);
  memory.key = key;
  const { client, client2, server, server2, portsAndProtocol } = viewAs(memory, Words6);
  return { client, client2, server, server2, portsAndProtocol };
}

const Memory6 = struct({ key: FlowKey6 });

/** As `tcpFlags4`. */
export function tcpFlags6(ctx: XdpContext, { l4, protocol }: Place6): u32 {
  const tcp = ctx.at(Tcp, l4);
  return tcp && protocol === IpProtocol.TCP ? tcp.flags & BEGIN_OR_END : 0;
}

/** An IPv6 address where it lies: `viewAs(ip.src, Address6)`. */
export const Address6 = struct({ bytes: ipv6Address });
export type Address6 = View<typeof Address6>;

export interface End6 {
  address: Address6;
  port: be16;
}

/** As `readdress4`; the hop limit goes down. */
export function readdress6(
  ctx: XdpContext,
  { l4 }: Place6,
  { ip, udp, protocol }: Head6,
  source: End6,
  destination: End6,
): boolean {
  const changed =
    checksumAddressDifference(viewAs(ip.src, Ipv6Words), viewAs(source.address, Ipv6Words)) +
    checksumAddressDifference(viewAs(ip.dst, Ipv6Words), viewAs(destination.address, Ipv6Words)) +
    checksumDifference(udp.sourcePort, source.port) +
    checksumDifference(udp.destinationPort, destination.port);
  if (protocol === IpProtocol.TCP) {
    const segment = ctx.at(Tcp, l4);
    if (!segment) return false;
    segment.checksum = applyToChecksum(segment.checksum, changed);
  } else {
    udp.checksum = applyToUdpChecksum(udp.checksum, changed);
  }
  ip.hopLimit--;
  ip.src = source.address.bytes;
  ip.dst = destination.address.bytes;
  udp.sourcePort = source.port;
  udp.destinationPort = destination.port;
  return true;
}
