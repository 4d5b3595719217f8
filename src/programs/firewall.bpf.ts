/**
 * A packet filter for a host: lists of denied and allowed networks, rules for protocols and for ports, over IPv4 and IPv6, VLAN tags,
 * IPv4 options and IPv6 extension headers skipped. What decides, in this order:
 *
 * 1. `deny_ipv4`, `deny_ipv6`: the source is in a denied network (of several, the most specific one counts the packet);
 * 2. `allow_ipv4`, `allow_ipv6`: it is in an allowed one, so no further rule applies;
 * 3. `protocols`: the rule of the IP protocol, if it has one;
 * 4. `ports`: the rule of the destination port of TCP or UDP;
 * 5. the setting `drop_unknown`.
 *
 * Each rule has a number, and `rule_counters` counts packets and bytes by it; numbers below FIRST_RULE are the filter's own. Ports are in
 * a packet's first fragment only: the others pass, since nobody can put them together when the first is dropped; a fragment that
 * would overwrite the ports behind the filter's back is dropped (RFC 1858).
 */
import {
  array,
  be16,
  be32,
  bool,
  hash,
  lpmTrie,
  perCpuArray,
  setting,
  struct,
  u8,
  u32,
  u64,
  XDP_ABORTED,
  XDP_DROP,
  XDP_PASS,
  type XdpAction,
  type XdpContext,
  xdp,
} from "wirescript/kernel";
import { EtherType, ethernetPayload, IPv4, IPv6, type IpPayload, IpProtocol, ipPayload, ipv6Address } from "wirescript/net";

/** Whether what no rule knows is dropped. */
const drop_unknown = setting(bool, false);

const Network4 = struct({ prefixLength: u32, address: be32 });
const Network6 = struct({ prefixLength: u32, address: ipv6Address });

/** Networks whose packets are dropped, and those whose packets pass; the value is the rule's number. */
export const deny_ipv4 = lpmTrie({ key: Network4, value: u32, entries: 65_536 });
export const deny_ipv6 = lpmTrie({ key: Network6, value: u32, entries: 65_536 });
export const allow_ipv4 = lpmTrie({ key: Network4, value: u32, entries: 65_536 });
export const allow_ipv6 = lpmTrie({ key: Network6, value: u32, entries: 65_536 });

/** `action` is XDP_DROP or XDP_PASS; anything else is no rule. */
const Rule = struct({ action: u32, number: u32 });

/** By IP protocol. */
export const protocols = array({ value: Rule, entries: 256 });

const PortKey = struct({ port: be16, protocol: u8, unused: u8 });
export const ports = hash({ key: PortKey, value: Rule, entries: 65_536 });

const RuleRecord = struct({ packets: u64, bytes: u64 });
/** By the rule's number. */
export const rule_counters = perCpuArray({ value: RuleRecord, entries: 4096 });

/** The filter's own rules. */
const OwnRule = { UNKNOWN: 0, MALFORMED: 1, NOT_IP: 2, FRAGMENT: 3 } as const;
/** The first number for rules of the maps. */
export const FIRST_RULE = 4;

interface Verdict {
  action: XdpAction;
  rule: u32;
}

/** Where both TCP and UDP have them. */
const Ports = struct({ source: be16, destination: be16 });

export const firewall = xdp((ctx) => {
  const { action, rule } = judge(ctx);
  const record = rule_counters.lookup(rule);
  if (!record) return XDP_ABORTED;
  record.packets++;
  record.bytes += ctx.length;
  return action;
});

function judge(ctx: XdpContext): Verdict {
  const frame = ethernetPayload(ctx);
  if (!frame) return drop(OwnRule.MALFORMED);
  const { type, offset } = frame;
  if (type !== EtherType.IPv4 && type !== EtherType.IPv6) return pass(OwnRule.NOT_IP);
  const listed = type === EtherType.IPv4 ? judgeSource4(ctx, offset) : judgeSource6(ctx, offset);
  return listed ?? judgePayload(ctx, ipPayload(ctx, type, offset));
}

/** What the lists say about the sender; `null` when nothing. */
function judgeSource4(ctx: XdpContext, offset: u32): Verdict | null {
  const ip = ctx.at(IPv4, offset);
  if (!ip) return drop(OwnRule.MALFORMED);
  const source = { prefixLength: 32, address: ip.src };
  const denied = deny_ipv4.lookup(source);
  if (denied) return drop(denied.value);
  const allowed = allow_ipv4.lookup(source);
  return allowed ? pass(allowed.value) : null;
}

function judgeSource6(ctx: XdpContext, offset: u32): Verdict | null {
  const ip = ctx.at(IPv6, offset);
  if (!ip) return drop(OwnRule.MALFORMED);
  const source = { prefixLength: 128, address: ip.src };
  const denied = deny_ipv6.lookup(source);
  if (denied) return drop(denied.value);
  const allowed = allow_ipv6.lookup(source);
  return allowed ? pass(allowed.value) : null;
}

function judgePayload(ctx: XdpContext, payload: IpPayload | null): Verdict {
  if (!payload) return drop(OwnRule.MALFORMED);
  const { protocol, offset, fragment } = payload;
  const byProtocol = protocols.lookup(protocol);
  if (byProtocol?.action === XDP_DROP) return drop(byProtocol.number);
  if (byProtocol?.action === XDP_PASS) return pass(byProtocol.number);

  if (protocol !== IpProtocol.TCP && protocol !== IpProtocol.UDP) return unknown();
  // Eight bytes into a TCP header: the flags, which the first fragment showed to us.
  if (fragment === 1 && protocol === IpProtocol.TCP) return drop(OwnRule.FRAGMENT);
  if (fragment !== 0) return pass(OwnRule.FRAGMENT);
  const header = ctx.at(Ports, offset);
  if (!header) return drop(OwnRule.MALFORMED);
  const byPort = ports.lookup({ port: header.destination, protocol, unused: 0 });
  if (byPort?.action === XDP_DROP) return drop(byPort.number);
  if (byPort?.action === XDP_PASS) return pass(byPort.number);
  return unknown();
}

function drop(rule: u32): Verdict {
  return { action: XDP_DROP, rule };
}

function pass(rule: u32): Verdict {
  return { action: XDP_PASS, rule };
}

function unknown(): Verdict {
  return drop_unknown ? drop(OwnRule.UNKNOWN) : pass(OwnRule.UNKNOWN);
}
