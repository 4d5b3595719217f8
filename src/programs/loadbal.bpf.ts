/**
 * Spreads datagrams to one UDP port over several servers: the program of the XDP redirect demo. What comes for port 7999 (a setting) is
 * readdressed and sent out of the interface that the server is behind, without reaching this host's network stack.
 *
 * Who gets a datagram is decided by its sender's address and ports, so a flow stays with its server. User space spreads the servers over the
 * slots of `server_ring`; a server that comes or goes moves the flows of its own slots only.
 *
 * Everything else passes: other ports and protocols, IPv6, fragments (only the first one has ports), and all packets while there are no
 * servers. The demo drops IPv4 with options and fragments of whatever protocol, and its checksums are wrong, so that receivers drop what
 * it sends them.
 */
import {
  array,
  be16,
  be32,
  type Infer,
  perCpuArray,
  redirect,
  setting,
  struct,
  u32,
  u64,
  XDP_PASS,
  type XdpAction,
  type XdpContext,
  xdp,
} from "wirescript/kernel";
import {
  applyToChecksum,
  applyToUdpChecksum,
  checksumWordDifference,
  Ethernet,
  EtherType,
  IPv4,
  IpProtocol,
  Ipv4Fragment,
  mac,
  Udp,
} from "wirescript/net";
import { countAction } from "./stats.bpf.ts";

export { xdp_stats_map } from "./stats.bpf.ts";

const port = setting(be16, 7999);

/** Numbers below these; 0 is no server. */
export const MAX_SERVERS = 256;
/** A power of two. */
export const RING_SIZE = 4096;

/** `source` is the address that the datagram says it comes from; `mac` is the server's. */
export const Server = struct({ address: be32, source: be32, ifindex: u32, mac });
export type Server = Infer<typeof Server>;
export const servers = array({ value: Server, entries: MAX_SERVERS, pinned: true });

/** The number of the server that each slot's flows go to. */
export const server_ring = array({ value: u32, entries: RING_SIZE, pinned: true });

const Forwarded = struct({ packets: u64, bytes: u64 });
/** By the server's number. A map of its own, so that a change of the servers leaves the counters alone. */
export const server_stats = perCpuArray({ value: Forwarded, entries: MAX_SERVERS, pinned: true });

export const loadbal = xdp((ctx) => countAction(ctx, balance(ctx)));

function balance(ctx: XdpContext): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth || eth.type !== EtherType.IPv4) return XDP_PASS;
  const ip = ctx.at(IPv4, Ethernet.size);
  if (!ip || ip.ihl < 5 || ip.protocol !== IpProtocol.UDP) return XDP_PASS;
  if ((ip.fragment & (Ipv4Fragment.MORE_FRAGMENTS | Ipv4Fragment.OFFSET)) !== 0) return XDP_PASS;
  const udp = ctx.at(Udp, Ethernet.size + ip.ihl * 4);
  if (!udp || udp.destinationPort !== port) return XDP_PASS;

  const slot = server_ring.lookup(hashOf(ip.src, udp.sourcePort, udp.destinationPort) % RING_SIZE);
  if (!slot || slot.value === 0) return XDP_PASS;
  const server = servers.lookup(slot.value);
  if (!server || server.ifindex === 0) return XDP_PASS;
  const record = server_stats.lookup(slot.value);
  if (record) {
    record.packets++;
    record.bytes += ctx.length;
  }

  readdress(ip, udp, server);
  eth.src = eth.dst;
  eth.dst = server.mac;
  return redirect(server.ifindex);
}

/** The addresses are covered by both checksums: that of the header, and that of UDP with its pseudo header (RFC 768). */
function readdress(ip: IPv4, udp: Udp, { source, address }: Server): void {
  const changed = checksumWordDifference(ip.src, source) + checksumWordDifference(ip.dst, address);
  udp.checksum = applyToUdpChecksum(udp.checksum, changed);
  ip.checksum = applyToChecksum(ip.checksum, changed);
  ip.src = source;
  ip.dst = address;
}

/** Spreads flows evenly: the last steps of MurmurHash3 (public domain). */
function hashOf(client: be32, sourcePort: be16, destinationPort: be16): u32 {
  let hash: u32 = client ^ u32(((sourcePort << 16) | destinationPort) * 0x9e3779b1);
  hash = u32((hash ^ (hash >> 16)) * 0x85ebca6b);
  hash = u32((hash ^ (hash >> 13)) * 0xc2b2ae35);
  return hash ^ (hash >> 16);
}
