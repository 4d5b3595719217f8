/**
 * Lets TCP over IPv4 in, and nothing else: the ACM tutorial's first filter. Frames too short for their headers pass.
 *
 * "Nothing else" is meant: ARP is dropped too, so that new connections fail once the neighbours have forgotten each other, as are
 * IPv6 and everything behind a VLAN tag. Make the neighbours permanent to go on: `ip neigh replace ADDRESS lladdr MAC dev DEV nud permanent`.
 *
 * Its section is the tutorial's: see dropworld.bpf.ts.
 */
import { XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet, EtherType, IPv4, IpProtocol } from "wirescript/net";

export const tcpfilter = xdp(
  (ctx) => {
    const eth = ctx.at(Ethernet);
    if (!eth) return XDP_PASS;
    if (eth.type !== EtherType.IPv4) return XDP_DROP;
    const ip = ctx.at(IPv4, Ethernet.size);
    if (!ip) return XDP_PASS;
    return ip.protocol === IpProtocol.TCP ? XDP_PASS : XDP_DROP;
  },
  { section: ".text" },
);
