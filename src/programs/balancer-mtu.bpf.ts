/**
 * How large the packets may be that leave. The kernel drops what is larger than the device's MTU after XDP_REDIRECT, when nobody can be told any more,
 * so their length is looked at before anything of them is changed. For most packets that is one comparison, with `safe_length`.
 */
import { noinline, type u32, type XdpContext } from "wirescript/kernel";
import { Ethernet, FibResult, type FibRoute, fibLookupToIPv4, fibLookupToIPv6, VlanTag } from "wirescript/net";
import { type Backend, mtus, safe_length, source4, source6 } from "./balancer-maps.bpf.ts";

/** More than any IP packet has. */
const ANY = 0xffff_ffff;

/** Whether the frame, with `overhead` bytes more, might be too long for one of the devices. */
export function isLong(ctx: XdpContext, overhead: u32): boolean {
  return ctx.length + overhead > safe_length;
}

/** The largest IP packet, in bytes, that may leave by the device `ifindex` in a frame whose IP header is at `l3`. */
export function roomOn(l3: u32, ifindex: u32): u32 {
  const mtu = mtus.lookup(ifindex);
  if (!mtu) return ANY;
  // The kernel lets a frame have one tag more than its device's MTU says, not two.
  return l3 > Ethernet.size + VlanTag.size ? mtu.value - VlanTag.size : mtu.value;
}

/**
 * The same for what leaves as it is, but for addresses: what came in by a device may leave by it. The kernel does not look then, and with generic XDP
 * it may be segments that GRO has joined, and the device parts again.
 */
export const roomBeyond = noinline((ctx: XdpContext, l3: u32, ifindex: u32): u32 => {
  return ifindex === ctx.ingressIfindex ? ANY : roomOn(l3, ifindex);
});

/** The device that leads to the backend; 0 when there is none. */
export const ifindexTo = noinline((ctx: XdpContext, backend: Backend): u32 => {
  if (backend.ifindex !== 0) return backend.ifindex;
  if (backend.family === 4) return ifindexOf(fibLookupToIPv4(ctx, source4, backend.address4));
  return ifindexOf(fibLookupToIPv6(ctx, source6, backend.address6));
});

function ifindexOf({ result, to }: FibRoute): u32 {
  return result === FibResult.SUCCESS ? to.ifindex : 0;
}
