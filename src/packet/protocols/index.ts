/** All protocols that are known, by the name that a packet's description uses. */
import type { Protocol } from "../protocol.ts";
import { arp, ethernet, vlan } from "./ethernet.ts";
import { icmp, icmpv6 } from "./icmp.ts";
import { destinationOptions, fragment, hopByHop, ipv4, ipv6, routing } from "./ip.ts";
import { tcp, udp } from "./transport.ts";
import { geneve, gre, vxlan } from "./tunnel.ts";

export const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map(
  [
    ethernet,
    vlan,
    arp,
    ipv4,
    ipv6,
    hopByHop,
    destinationOptions,
    routing,
    fragment,
    icmp,
    icmpv6,
    udp,
    tcp,
    gre,
    vxlan,
    geneve,
  ].map((protocol) => [protocol.name, protocol]),
);
