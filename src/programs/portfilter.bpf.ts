/**
 * Drops TCP from and to one port, 80 unless the loader sets another: `load(file, { settings: { port: 8080 } })`.
 *
 * As in the ACM tutorial, it looks at plain IPv4 only: what has a VLAN tag, IP options or more than one fragment passes, as does
 * everything that is not TCP. So it is a lesson in reading ports, not a wall: whoever wants to get through adds an option.
 */
import { be16, setting, struct, XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet, EtherType, IPv4, IpProtocol, Tcp } from "wirescript/net";

/** In network byte order, as it is in the packet: nothing has to be swapped. */
const port = setting(be16, 80);

/** All that is looked at, so that one check of the packet's length is enough. */
const Headers = struct({ eth: Ethernet, ip: IPv4, tcp: Tcp });

/** Of `IPv4.fragment`: more fragments follow, or this is not the first. */
const IS_FRAGMENT = 0x3fff;

export const portfilter = xdp(
  (ctx) => {
    const headers = ctx.at(Headers);
    if (!headers) return XDP_PASS;
    const { eth, ip, tcp } = headers;
    if (eth.type !== EtherType.IPv4 || ip.protocol !== IpProtocol.TCP) return XDP_PASS;
    if (ip.ihl !== 5 || (ip.fragment & IS_FRAGMENT) !== 0) return XDP_PASS;
    return tcp.sourcePort === port || tcp.destinationPort === port ? XDP_DROP : XDP_PASS;
  },
  { section: "filter" },
);
