/**
 * What TypeScript itself accepts and refuses in kernel modules and in user space. `tsc -p .` checks this file: an `@ts-expect-error`
 * whose line compiles is an error.
 */
import { load, type TcLink, type TcxLink, type XdpLink } from "wirescript";
import {
  array,
  be16,
  be32,
  bits,
  bytes,
  chain,
  hash,
  type Infer,
  perCpuArray,
  redirect,
  struct,
  TC_ACT_OK,
  TC_ACT_UNSPEC,
  tc,
  type User,
  type u8,
  u16,
  u32,
  u64,
  XDP_ABORTED,
  XDP_PASS,
  XDP_TX,
  type XdpAction,
  type XdpContext,
  xdp,
} from "wirescript/kernel";
import { Ethernet, EtherType, Icmp, IcmpType, IPv4, IpProtocol } from "wirescript/net";
import type * as Echo from "../../src/programs/echo.bpf.ts";
import type * as Metadata from "../../src/programs/metadata.bpf.ts";

// -- the design's example --

function answer(ctx: XdpContext): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth || eth.type !== EtherType.IPv4) return XDP_PASS;
  const ip = ctx.at(IPv4, Ethernet.size);
  if (!ip || ip.protocol !== IpProtocol.ICMP) return XDP_PASS;
  const icmp = ctx.at(Icmp, Ethernet.size + ip.ihl * 4);
  if (!icmp || icmp.type !== IcmpType.ECHO_REQUEST) return XDP_PASS;
  const mac = eth.src;
  eth.src = eth.dst;
  eth.dst = mac;
  ip.ttl--;
  return XDP_TX;
}

export const fine = xdp((ctx) => answer(ctx));
export const named = xdp(answer, { section: "xdp_named", name: "named_func" });
export const redirected = xdp((ctx) => (ctx.length > 100 ? redirect(7) : XDP_PASS));

// -- actions --

// @ts-expect-error 7 is not an action
export const seven = xdp(() => 7);
// @ts-expect-error nor is an action plus one
export const sum = xdp(() => XDP_PASS + 1);
// @ts-expect-error nor is nothing
export const nothing = xdp(() => {});

// -- traffic control --

export const marks = tc.ingress((ctx) => {
  ctx.mark = 7;
  // @ts-expect-error the protocol cannot be set
  ctx.protocol = 7;
  // @ts-expect-error a mark is a number
  ctx.mark = "7";
  return ctx.ifindex === 1 ? TC_ACT_OK : ctx.redirectPeer(2);
});
export const sends = tc.egress((ctx) => (ctx.length > 100 ? ctx.redirect(7) : TC_ACT_UNSPEC));
// @ts-expect-error XDP's verdicts are not TC's
export const mixed = tc.ingress(() => XDP_PASS);
// @ts-expect-error nor is a number
export const number = tc.ingress(() => 0);
// @ts-expect-error nor the other way round
export const mixedToo = xdp(() => TC_ACT_OK);
// @ts-expect-error redirecting is the context's on TC
export const free = tc.ingress(() => redirect(7));
// @ts-expect-error a packet that goes out has no peer to come in by
export const peer = tc.egress((ctx) => ctx.redirectPeer(2));

export const both = chain(fine, named, { name: "both_func", goOn: (action) => action === XDP_TX });
// @ts-expect-error programs of two hooks are not put together
export const never = chain(fine, sends);
// @ts-expect-error only XDP has frames in several buffers
export const large = tc.ingress(() => TC_ACT_OK, { frags: true });

// -- views --

// @ts-expect-error the view may be null
export const unchecked = xdp((ctx) => (ctx.at(Ethernet).type === 1 ? XDP_PASS : XDP_TX));

export const misspelt = xdp((ctx) => {
  const ip = ctx.at(IPv4);
  // @ts-expect-error there is no such field
  return ip && ip.tttl > 1 ? XDP_PASS : XDP_ABORTED;
});

export const writes = xdp((ctx) => {
  const eth = ctx.at(Ethernet);
  if (!eth) return XDP_PASS;
  // @ts-expect-error the context's length cannot be set
  ctx.length = 5;
  // @ts-expect-error a MAC address is not an IPv6 address
  eth.src = bytes(16)();
  // @ts-expect-error a MAC address is not a number
  eth.src = 5;
  return XDP_PASS;
});

// -- integers --

export function flavours(wide: u32, narrow: u8): u64 {
  const wider: u16 = narrow;
  const widest: u64 = wide;
  const cast: u16 = u16(wide);
  const sumOfBoth: u8 = wider + cast;
  // @ts-expect-error a u32 does not fit a u16 without a cast
  const lost: u16 = wide;
  // @ts-expect-error nor a u16 a u8
  const lostToo: u8 = wider;
  // @ts-expect-error a boolean is not an integer
  const flag: u8 = wide > 5;
  // @ts-expect-error nor a string
  const text: u32 = "5";
  return widest + sumOfBoth + lost + lostToo + Number(flag) + text;
}

// -- schemas and maps --

const Key = struct({ address: be32, port: be16, kind: bits(4), rest: bits(4) });
const Value = struct({ packets: u64, mac: bytes(6) });
export const table = hash({ key: Key, value: Value, entries: 16 });
export const counters = perCpuArray({ value: u64, entries: 2 });
export const limits = array({ value: u32, entries: 2 });

export const lookups = xdp((ctx) => {
  const found = table.lookup({ address: 1, port: 2, kind: 3, rest: 4 });
  // @ts-expect-error the element may not be there
  found.packets++;
  // @ts-expect-error a field of the key is missing
  table.lookup({ address: 1, port: 2, kind: 3 });
  // @ts-expect-error a field too many
  table.lookup({ address: 1, port: 2, kind: 3, rest: 4, more: 5 });
  // @ts-expect-error an array's elements cannot be removed
  limits.delete(0);
  // @ts-expect-error a counter is reached through `value`
  const direct: u64 = counters.lookup(0);
  const counter = counters.lookup(0);
  if (counter) counter.value += ctx.length + direct;
  return XDP_PASS;
});

export type KernelKey = Infer<typeof Key>;
export const user: User<typeof Value> = { packets: 1n, mac: new Uint8Array(6) };
// @ts-expect-error in user space a u64 is a bigint
export const lossy: User<typeof Value> = { packets: 1, mac: new Uint8Array(6) };

// -- user space --

export async function userSpace(): Promise<bigint> {
  await using object = await load<typeof Echo>(new URL("./echo.bpf.ts", import.meta.url));
  await using link = await object.programs.echo.attach({ dev: "eth0" });
  const { rx_packets } = object.maps.xdp_stats_map.sum(XDP_TX);
  // @ts-expect-error no such program
  object.programs.nope;
  // @ts-expect-error no such map
  object.maps.nope;
  // @ts-expect-error no such field
  object.maps.xdp_stats_map.sum(XDP_TX).packets;
  // @ts-expect-error keys of an array are numbers
  object.maps.xdp_stats_map.sum("TX");
  return link.attached ? rx_packets : 0n;
}

export async function ownNames(module: typeof import("./language.ts")): Promise<void> {
  await using object = await load<typeof module>("language.bpf.ts");
  object.programs.named_func.info();
  object.programs.both_func.info();
  object.programs.sends.info();
  // @ts-expect-error the program goes by the name that its options give it
  object.programs.named;
  object.programs.fine.info();
}

// -- attaching: the hook of a typed program decides which options there are, and what attaching gives --

export async function attachEach(): Promise<[XdpLink, TcLink, TcxLink, TcLink]> {
  const { programs } = await load<typeof Metadata>("metadata.bpf.ts");
  const untyped = (await load("metadata.o")).program("tc_mark");
  // @ts-expect-error a mode is something of XDP
  programs.tc_mark.attach({ dev: "eth0", mode: "skb" });
  return [
    programs.xdp_mark.attach({ dev: "eth0", mode: "skb" }),
    programs.tc_mark.attach({ dev: "eth0", order: "first" }),
    programs.tc_mark.attach({ dev: "eth0", via: "tcx" }),
    untyped.attach({ dev: "eth0", direction: "egress" }),
  ];
}
