/** How the balancer's packets leave: back out of the device that they came in by, through `devices`, or as the kernel's routes say. */
import { noinline, type u32, XDP_DROP, XDP_REDIRECT, XDP_TX, type XdpAction, type XdpContext } from "wirescript/kernel";
import { Ethernet, FibResult, type FibRoute, type FibTarget, fibLookupToIPv4, fibLookupToIPv6, type Mac } from "wirescript/net";
import { drop } from "./balancer-count.bpf.ts";
import { type Backend, devices, Reason, source4, source6 } from "./balancer-maps.bpf.ts";

/** To the backend's host, or the router in front of it. */
export function leaveToBackend(ctx: XdpContext, eth: Ethernet, backend: Backend): XdpAction {
  const { ifindex } = backend;
  if (ifindex === 0) return leaveByRoute(ctx, backend);
  return leave(ctx, eth, { ifindex, smac: backend.sourceMac, dmac: backend.mac });
}

export function leave(ctx: XdpContext, eth: Ethernet, { ifindex, smac, dmac }: FibTarget): XdpAction {
  eth.dst = dmac;
  eth.src = smac;
  return ifindex === ctx.ingressIfindex ? XDP_TX : leaveThroughMap(ctx, ifindex);
}

/** Back to where it came from. */
export function leaveBackwards(eth: Ethernet): XdpAction {
  const sender: Mac = eth.src;
  eth.src = eth.dst;
  eth.dst = sender;
  return XDP_TX;
}

function leaveThroughMap(ctx: XdpContext, ifindex: u32): XdpAction {
  const action = devices.redirect(ifindex, XDP_DROP);
  return action === XDP_REDIRECT ? action : drop(ctx, Reason.NO_DEVICE);
}

const leaveByRoute = noinline((ctx: XdpContext, backend: Backend): XdpAction => {
  if (backend.family === 4) return followRoute(ctx, fibLookupToIPv4(ctx, source4, backend.address4));
  return followRoute(ctx, fibLookupToIPv6(ctx, source6, backend.address6));
});

function followRoute(ctx: XdpContext, { result, to }: FibRoute): XdpAction {
  if (result === FibResult.NO_NEIGH) return drop(ctx, Reason.NO_NEIGHBOUR);
  const eth = ctx.at(Ethernet);
  if (result !== FibResult.SUCCESS || !eth) return drop(ctx, Reason.NO_ROUTE);
  return leave(ctx, eth, to);
}
