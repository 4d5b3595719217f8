/**
 * Lets pings and the rest of ICMP in, and nothing else: what the ACM tutorial asks for after its TCP filter. Over IPv4 and IPv6; frames too
 * short for their headers pass.
 *
 * ARP passes too: without it the other end would forget this host's address after a minute, and pings would end. IPv6 needs nothing of the
 * kind, since its neighbours ask by ICMPv6.
 */
import { XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet, EtherType, IPv4, IPv6, IpProtocol } from "wirescript/net";

export const icmpfilter = xdp((ctx) => {
  const eth = ctx.at(Ethernet);
  if (!eth || eth.type === EtherType.ARP) return XDP_PASS;
  if (eth.type === EtherType.IPv4) {
    const ip = ctx.at(IPv4, Ethernet.size);
    return !ip || ip.protocol === IpProtocol.ICMP ? XDP_PASS : XDP_DROP;
  }
  if (eth.type === EtherType.IPv6) {
    const ip = ctx.at(IPv6, Ethernet.size);
    return !ip || ip.nextHeader === IpProtocol.ICMPV6 ? XDP_PASS : XDP_DROP;
  }
  return XDP_DROP;
});
