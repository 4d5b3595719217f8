/** What is neither TCP nor UDP of the plain kind: ICMP, fragments, options, and packets that are cut off. */
import { noinline, type u32, type XdpAction, type XdpContext } from "wirescript/kernel";
import { IPv4, IpProtocol, Ipv4Fragment } from "wirescript/net";
import { drop, pass } from "./balancer-count.bpf.ts";
import { Reason, source4, vips4 } from "./balancer-maps.bpf.ts";

const NO_OPTIONS = 5;
const IS_FRAGMENT = Ipv4Fragment.MORE_FRAGMENTS | Ipv4Fragment.OFFSET;

export const other4 = noinline((ctx: XdpContext, l3: u32): XdpAction => {
  const ip = ctx.at(IPv4, l3);
  if (ip?.version !== 4 || ip.ihl < NO_OPTIONS) return drop(ctx, Reason.MALFORMED);
  if (!vips4.lookup({ prefixLength: 32, address: ip.dst })) {
    return pass(ctx, ip.dst === source4 ? Reason.NO_ORIGIN : Reason.NOT_OURS);
  }
  if (ip.totalLength < ip.ihl * 4 || l3 + ip.totalLength > ctx.length) return drop(ctx, Reason.MALFORMED);
  if ((ip.fragment & IS_FRAGMENT) !== 0) return drop(ctx, Reason.FRAGMENT);
  if (ip.ihl !== NO_OPTIONS) return drop(ctx, Reason.OPTIONS);
  if (ip.protocol === IpProtocol.TCP || ip.protocol === IpProtocol.UDP) return drop(ctx, Reason.MALFORMED);
  return drop(ctx, Reason.NO_SERVICE);
});
