/**
 * The balancer's packets: what comes for a service goes on to one of its backends, always the same for a connection. balancer-maps.bpf.ts says
 * what services, backends, modes and counters are.
 *
 * A known connection takes two look-ups, its own and its backend's, and is forwarded by code that is built in here; all else is in functions
 * that are called.
 */
import { noinline, type u32, XDP_PASS, type XdpAction, type XdpContext, xdp } from "wirescript/kernel";
import { Ethernet, EtherType, ethernetPayload } from "wirescript/net";
import { pass } from "./balancer-count.bpf.ts";
import { Reason } from "./balancer-maps.bpf.ts";
import { Known } from "./balancer-other.bpf.ts";
import { balance4, slow4 } from "./balancer-v4.bpf.ts";
import { balance6, slow6 } from "./balancer-v6.bpf.ts";

export * from "./balancer-maps.bpf.ts";

export const balancer = xdp((ctx) => {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_PASS;
  if (eth.type === EtherType.IPv4) return balance4(ctx, slow);
  if (eth.type === EtherType.IPv6) return balance6(ctx, slow);
  return slow(ctx, Known.NOTHING);
});

/** What is not the packet of a known connection, or has VLAN tags, or is not IP. */
const slow = noinline((ctx: XdpContext, known: u32): XdpAction => {
  const payload = ethernetPayload(ctx);
  if (payload?.type === EtherType.IPv4) return slow4(ctx, payload.offset, known);
  if (payload?.type === EtherType.IPv6) return slow6(ctx, payload.offset, known);
  return pass(ctx, Reason.NOT_OURS);
});
