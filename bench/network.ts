/**
 * A network of this process's own, for programs that ask the kernel's routing tables. A test run's packets come in by the loopback device
 * of the calling thread's network, so the thread moves into a new one; it ends with the process, and nobody else ever sees it.
 */
import { writeFileSync } from "node:fs";
import { FibResult } from "../src/net/fib.ts";
import { syscall } from "../src/sys/ffi.ts";
import { formatIp } from "../src/sys/ip-address.ts";
import { formatMac, parseMac } from "../src/sys/mac.ts";
import {
  addRefusingRoute,
  addRoute,
  addVethPair,
  getLink,
  setLinkUp,
  setPermanentNeighbour,
} from "../src/sys/netlink/index.ts";
import type { FibAnswer, FibLookup, FibRequest } from "../src/vm/index.ts";
import { HOST, type Host, PEER } from "../test/packets/index.ts";

const CLONE_NEWNET = 0x40000000;
const [DEVICE, PEER_DEVICE] = ["bench0", "bench1"];
/** Bytes; of Ethernet devices. */
const MTU = 1500;
/** IP6_RT_PRIO_USER: of routes that come without one. */
const IPV6_METRIC = 1024;

/** The third byte of a destination in 10.11.0.0/16, and the fourth word of one in fc00:dead:cafe::/48: what happens to packets there. */
export const NETWORKS = { link: 1, gateway: 2, blackhole: 3, unreachable: 4, prohibit: 5, none: 6 } as const;
export type Network = keyof typeof NETWORKS;

/** The host `HOST`, had it been in another network. */
export function hostIn(network: Network): Host {
  const number = NETWORKS[network];
  return { ...HOST, ipv4: HOST.ipv4.with(2, number), ipv6: HOST.ipv6.with(7, number) };
}

/** Who sends across the router. From `PEER`'s IPv6 address nothing is forwarded: it is good on its link only. */
export const SENDER: Host = { ...PEER, ipv6: HOST.ipv6.with(15, 7) };

/** Where packets go out. */
export interface Exit {
  ifindex: number;
  mac: ArrayLike<number>;
}

/** Moves the calling thread into a network that is a router, with a route of each kind in both families. Needs root. */
export function enterNetwork(): Exit {
  syscall("unshare", CLONE_NEWNET);
  addVethPair({ name: DEVICE, peerName: PEER_DEVICE });
  for (const device of ["lo", DEVICE, PEER_DEVICE]) setLinkUp(getLink(device).ifindex, true);
  writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  const { ifindex, mac } = getLink(DEVICE);
  for (const family of ["ipv4", "ipv6"] as const) {
    const prefixLength = family === "ipv4" ? 24 : 64;
    const address = formatIp(Uint8Array.from(HOST[family]));
    const prefix = (network: Network) => ({ address: formatIp(networkOf(hostIn(network)[family])), prefixLength });
    addRoute({ destination: prefix("link"), ifindex });
    setPermanentNeighbour({ ifindex, address, mac: formatMac(Uint8Array.from(HOST.mac)) });
    addRoute({ destination: prefix("gateway"), gateway: address, ifindex });
    for (const refusal of ["blackhole", "unreachable", "prohibit"] as const) {
      addRefusingRoute({ destination: prefix(refusal), refusal });
    }
  }
  return { ifindex, mac: parseMac(mac ?? "") };
}

/** The same routes for the interpreter. */
export function fibLookupBy({ ifindex, mac }: Exit): FibLookup {
  return ({ family, source, destination, length }: FibRequest): FibAnswer => {
    if (family === 6 && (isForLink(source) || isForLink(destination))) return { result: FibResult.NOT_FWDED };
    const [host, at] = family === 4 ? [HOST.ipv4, 2] : [HOST.ipv6, 7];
    const isOurs = networkOf([...destination].with(at, 0)).every((byte, index) => byte === networkOf(host.with(at, 0))[index]);
    const network = isOurs ? destination[at] : NETWORKS.none;
    switch (network) {
      case NETWORKS.blackhole:
        return { result: FibResult.BLACKHOLE };
      case NETWORKS.unreachable:
        return { result: FibResult.UNREACHABLE };
      case NETWORKS.prohibit:
        return { result: FibResult.PROHIBIT };
      case NETWORKS.link:
      case NETWORKS.gateway:
        break;
      default:
        return { result: FibResult.NOT_FWDED };
    }
    if (length > MTU) return { result: FibResult.FRAG_NEEDED, mtu: MTU };
    const route = { ifindex, metric: family === 4 ? 0 : IPV6_METRIC, ...(network === NETWORKS.gateway && { gateway: host }) };
    const isKnown = network === NETWORKS.gateway || destination.every((byte, index) => byte === host[index]);
    if (!isKnown) return { result: FibResult.NO_NEIGH, ...route };
    return { result: FibResult.SUCCESS, ...route, smac: mac, dmac: HOST.mac, mtu: MTU };
  };
}

/** The first address of the host's network: 24 bits of IPv4, 64 of IPv6. */
function networkOf(address: readonly number[]): Uint8Array {
  return Uint8Array.from(address).fill(0, address.length === 4 ? 3 : 8);
}

/** fe80::/10, and multicast. */
function isForLink([first, second]: Uint8Array): boolean {
  return first === 0xff || (first === 0xfe && ((second ?? 0) & 0xc0) === 0x80);
}
