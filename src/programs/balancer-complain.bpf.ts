/** What the balancer tells senders of packets that go no further: ICMP "time exceeded", and "too big" in front of tunnels. */
import { noinline, type u32, type XdpAction, type XdpContext } from "wirescript/kernel";
import { drop } from "./balancer-count.bpf.ts";
import { Reason } from "./balancer-maps.bpf.ts";

export const expired4 = noinline((ctx: XdpContext, _l3: u32): XdpAction => drop(ctx, Reason.TTL_EXPIRED));

export const tooBig4 = noinline((ctx: XdpContext, _l3: u32, _overhead: u32): XdpAction => drop(ctx, Reason.TOO_BIG));

export const expired6 = noinline((ctx: XdpContext, _l3: u32): XdpAction => drop(ctx, Reason.TTL_EXPIRED));

export const tooBig6 = noinline((ctx: XdpContext, _l3: u32, _overhead: u32): XdpAction => drop(ctx, Reason.TOO_BIG));
