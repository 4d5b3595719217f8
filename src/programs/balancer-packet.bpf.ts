/** What the balancer sees of TCP and UDP packets, and how their addresses and ports are rewritten. */
import { type be16, type be32, struct, type u32, type View, type XdpContext } from "wirescript/kernel";
import {
  applyToChecksum,
  applyToUdpChecksum,
  checksumDifference,
  checksumWordDifference,
  IPv4,
  IpProtocol,
  Tcp,
  Udp,
} from "wirescript/net";
import { FlowKey4 } from "./balancer-maps.bpf.ts";

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
