/**
 * Drops TCP from and to port 80, unless the loader sets another port, or UDP's number 17 for `protocol`:
 * `load(file, { settings: { port: 53, protocol: 17 } })`.
 *
 * As in the ACM tutorial, it looks at plain IPv4 only: what has a VLAN tag, IP options or more than one fragment passes, as does
 * every other protocol. So it is a lesson in reading ports, not a wall: whoever wants to get through adds an option.
 */
import { be16, setting, struct, u8, XDP_DROP, XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet, EtherType, IPv4, IpProtocol, Ipv4Fragment } from "wirescript/net";

/** In network byte order, as it is in the packet: nothing has to be swapped. */
const port = setting(be16, 80);
const protocol = setting(u8, IpProtocol.TCP);

/** All that is looked at, so that one check of the packet's length is enough. TCP and UDP both begin with the ports. */
const Headers = struct({ eth: Ethernet, ip: IPv4, sourcePort: be16, destinationPort: be16 });

/** Of `IPv4.fragment`: more fragments follow, or this is not the first. */
const IS_FRAGMENT = Ipv4Fragment.MORE_FRAGMENTS | Ipv4Fragment.OFFSET;

export const portfilter = xdp(
  (ctx) => {
    const headers = ctx.at(Headers);
    if (!headers) return XDP_PASS;
    const { eth, ip } = headers;
    if (eth.type !== EtherType.IPv4 || ip.protocol !== protocol) return XDP_PASS;
    if (ip.ihl !== 5 || (ip.fragment & IS_FRAGMENT) !== 0) return XDP_PASS;
    return headers.sourcePort === port || headers.destinationPort === port ? XDP_DROP : XDP_PASS;
  },
  { section: "filter" },
);
