/**
 * How large the packets may be that leave. The kernel drops what is larger than the device's MTU after XDP_REDIRECT, when nobody can be told any more,
 * so their length is looked at before anything of them is changed. For most packets that is one comparison, with `safe_length`.
 */
import { bytes, noinline, type u32, type XdpContext } from "wirescript/kernel";
import { Ethernet, FibResult, type FibRoute, fibLookupToIPv4, fibLookupToIPv6, IPv4, IPv6, Udp, VlanTag } from "wirescript/net";
import { type Backend, Mode, mtu, mtus, safe_length, source4, source6 } from "./balancer-maps.bpf.ts";

/** More than any IP packet has. */
const ANY = 0xffff_ffff;

/** The most that outer headers take: IPv6 and UDP. */
const MOST_OVERHEAD = IPv6.size + Udp.size;

/** Whether the frame might be too long for one of the devices, with the outer headers of the mode. Most are so short that the mode does not matter. */
export function isLong(ctx: XdpContext, mode: u32): boolean {
  if (ctx.length + MOST_OVERHEAD <= safe_length) return false;
  return ctx.length > safe_length || mode === Mode.IPIP || mode === Mode.GUE;
}

/** The largest IP packet, in bytes, that may leave for the backend in a frame whose IP header is at `l3`, without the outer headers that it gets. */
export const roomTo = noinline((ctx: XdpContext, l3: u32, backend: Backend): u32 => {
  const ifindex = backend.ifindex === 0 ? ifindexByRoute(ctx, backend) : backend.ifindex;
  const overhead = overheadOf(backend);
  if (overhead === 0) return roomBeyond(ctx, l3, ifindex);
  const room = roomOn(l3, ifindex);
  if (room > mtu) return mtu - overhead;
  return room - overhead;
});

/** Of the outer headers, in bytes; 0 when there can be none. */
export function overheadOf({ mode, family }: Backend): u32 {
  if (mode !== Mode.IPIP && mode !== Mode.GUE) return 0;
  const udp = mode === Mode.GUE ? Udp.size : 0;
  if (family === 4) return source4 === 0 ? 0 : IPv4.size + udp;
  if (family === 6) return source6.equals(NO_ADDRESS()) ? 0 : IPv6.size + udp;
  return 0;
}
const NO_ADDRESS = bytes(16);

/** The same for answers, which leave by the device `ifindex`. */
export const roomBack = noinline((ctx: XdpContext, l3: u32, ifindex: u32): u32 => roomBeyond(ctx, l3, ifindex));

/**
 * What came in by a device, and has not grown, may leave by it: the kernel does not look then, and with generic XDP it may be segments that GRO has
 * joined, and the device parts again.
 */
function roomBeyond(ctx: XdpContext, l3: u32, ifindex: u32): u32 {
  return ifindex === ctx.ingressIfindex ? ANY : roomOn(l3, ifindex);
}

function roomOn(l3: u32, ifindex: u32): u32 {
  const known = mtus.lookup(ifindex);
  if (!known) return ANY;
  // The kernel lets a frame have one tag more than its device's MTU says, not two.
  return l3 > Ethernet.size + VlanTag.size ? known.value - VlanTag.size : known.value;
}

/** 0 when there is no way: the packet is dropped for that. */
function ifindexByRoute(ctx: XdpContext, backend: Backend): u32 {
  if (backend.family === 4) return ifindexOf(fibLookupToIPv4(ctx, source4, backend.address4));
  return ifindexOf(fibLookupToIPv6(ctx, source6, backend.address6));
}

function ifindexOf({ result, to }: FibRoute): u32 {
  return result === FibResult.SUCCESS ? to.ifindex : 0;
}
