/**
 * Drops TCP from and to one port, 80 unless the loader sets another: `load(file, { settings: { port: 8080 } })`.
 *
 * As in the ACM tutorial, it looks at plain IPv4 only: what has a VLAN tag, IP options or more than one fragment passes, as does
 * everything that is not TCP. So it is a lesson in reading ports, not a wall: whoever wants to get through adds an option.
 */
import { setting, u16, XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet, EtherType, IPv4, IpProtocol, Tcp } from "wirescript/net";

const port = setting(u16, 80);

/** Of `IPv4.fragment`: more fragments follow, or this is not the first. */
const IS_FRAGMENT = 0x3fff;

export const portfilter = xdp(
  (ctx) => {
    const eth = ctx.at(Ethernet);
    const ip = ctx.at(IPv4, Ethernet.size);
    const tcp = ctx.at(Tcp, Ethernet.size + IPv4.size);
    if (!eth || !ip || !tcp) return XDP_PASS;
    if (eth.type !== EtherType.IPv4 || ip.protocol !== IpProtocol.TCP) return XDP_PASS;
    if (ip.ihl !== 5 || (ip.fragment & IS_FRAGMENT) !== 0) return XDP_PASS;
    return tcp.sourcePort === port || tcp.destinationPort === port ? XDP_DROP : XDP_PASS;
  },
  { section: "filter" },
);
