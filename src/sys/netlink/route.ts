/** Routes of the main table, in the calling thread's network namespace. */
import { SyscallError } from "../errno.ts";
import { AF_INET, AF_UNSPEC, familyOf, formatIp, type Prefix, parseIp } from "../ip-address.ts";
import { NETLINK, ROUTE, SIZE } from "./constants.ts";
import { bytesAttribute, concatenate, decodeAttributes, type Message, readU32, u32Attribute } from "./message.ts";
import { requestRtnetlink } from "./socket.ts";

export interface Route {
  /** null is the default route. */
  destination: Prefix | null;
  family: 4 | 6;
  /** null for networks on the link itself. */
  gateway: string | null;
  /** null for routes over several devices. */
  ifindex: number | null;
}

/** The unicast routes of the main table. */
export function listRoutes(): Route[] {
  const messages = requestRtnetlink({
    type: NETLINK.RTM_GETROUTE,
    flags: NETLINK.NLM_F_DUMP,
    payload: routeHeader({ family: AF_UNSPEC }),
    about: "list routes",
  });
  return messages.filter(isMainUnicast).map(decodeRoute);
}

/**
 * Adds a route. @throws SyscallError EEXIST when there is one to that network, ENETUNREACH when the gateway is not on a link,
 * ENETDOWN when the device is down.
 */
export function addRoute(options: { destination: Prefix; ifindex: number; gateway?: string }): void {
  const { destination, ifindex, gateway } = options;
  const attributes = [u32Attribute(ROUTE.RTA_OIF, ifindex)];
  if (gateway !== undefined) attributes.push(bytesAttribute(ROUTE.RTA_GATEWAY, parseIp(gateway)));
  const scope = gateway === undefined ? ROUTE.RT_SCOPE_LINK : ROUTE.RT_SCOPE_UNIVERSE;
  const via = gateway === undefined ? "" : ` via ${gateway}`;
  add({ destination, scope, type: ROUTE.RTN_UNICAST, attributes, about: `${via} on link ${ifindex}` });
}

const REFUSALS = {
  blackhole: ROUTE.RTN_BLACKHOLE,
  unreachable: ROUTE.RTN_UNREACHABLE,
  prohibit: ROUTE.RTN_PROHIBIT,
} as const;

/**
 * Adds a route that says not to forward: "blackhole" drops silently, the others answer with an ICMP error.
 * @throws SyscallError EEXIST when there is a route to that network.
 */
export function addRefusingRoute(options: { destination: Prefix; refusal: keyof typeof REFUSALS }): void {
  const { destination, refusal } = options;
  add({ destination, scope: ROUTE.RT_SCOPE_UNIVERSE, type: REFUSALS[refusal], attributes: [], about: ` (${refusal})` });
}

function add(route: { destination: Prefix; scope: number; type: number; attributes: Uint8Array[]; about: string }): void {
  const { address, prefixLength } = route.destination;
  const bytes = parseIp(address);
  const header = routeHeader({
    family: familyOf(bytes),
    prefixLength,
    table: ROUTE.RT_TABLE_MAIN,
    protocol: ROUTE.RTPROT_BOOT,
    scope: route.scope,
    type: route.type,
  });
  requestRtnetlink({
    type: NETLINK.RTM_NEWROUTE,
    flags: NETLINK.NLM_F_CREATE | NETLINK.NLM_F_EXCL,
    payload: concatenate([header, bytesAttribute(ROUTE.RTA_DST, bytes), ...route.attributes]),
    about: `add route ${address}/${prefixLength}${route.about}`,
  });
}

/** Whether packets to `address` are delivered here: what the kernel's own routing says, as `ip route get` asks it. */
export function isLocalAddress(address: string): boolean {
  const answer = askRoute({ destination: address });
  return "type" in answer && answer.type === "local";
}

/** What the kernel's routing does with packets to an address: as unicast it forwards them, the others end here. */
const TYPES = {
  [ROUTE.RTN_UNICAST]: "unicast",
  [ROUTE.RTN_LOCAL]: "local",
  [ROUTE.RTN_BROADCAST]: "broadcast",
  [ROUTE.RTN_ANYCAST]: "anycast",
  [ROUTE.RTN_MULTICAST]: "multicast",
} as const;

export type RouteAnswer =
  | { type: (typeof TYPES)[keyof typeof TYPES] | "other"; ifindex: number | null; gateway: string | null }
  /** The errno: ENETUNREACH without a route; EHOSTUNREACH, EACCES and EINVAL where a route refuses; of IPv4 packets that came in EXDEV or EINVAL for senders that are not taken. */
  | { refused: string };

/** Asks the kernel's own routing, as `ip route get DESTINATION [from SOURCE iif DEV]` does. `source` and `inBy` go together: a packet that came in. */
export function askRoute(options: { destination: string; source?: string; inBy?: number }): RouteAnswer {
  const { destination, source, inBy } = options;
  const bytes = parseIp(destination);
  const from = source === undefined ? undefined : parseIp(source);
  const fields = { family: familyOf(bytes), prefixLength: bytes.length * 8, sourceLength: (from?.length ?? 0) * 8 };
  const payload = concatenate([
    routeHeader(fields),
    bytesAttribute(ROUTE.RTA_DST, bytes),
    ...(from === undefined ? [] : [bytesAttribute(ROUTE.RTA_SRC, from)]),
    ...(inBy === undefined ? [] : [u32Attribute(ROUTE.RTA_IIF, inBy)]),
  ]);
  try {
    const [message] = requestRtnetlink({ type: NETLINK.RTM_GETROUTE, payload, about: `get route to ${destination}` });
    if (message === undefined) throw new Error("no answer to RTM_GETROUTE");
    const { ifindex, gateway } = decodeRoute(message);
    const type = message.payload[7] ?? 0;
    return { type: type in TYPES ? TYPES[type as keyof typeof TYPES] : "other", ifindex, gateway };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return { refused: error.errnoName };
  }
}

export interface RefusingRoute {
  /** null is the default route. */
  destination: Prefix | null;
  family: 4 | 6;
  refusal: keyof typeof REFUSALS;
  table: number;
}

/** The routes of all tables that say not to forward. */
export function listRefusingRoutes(): RefusingRoute[] {
  const messages = requestRtnetlink({
    type: NETLINK.RTM_GETROUTE,
    flags: NETLINK.NLM_F_DUMP,
    payload: routeHeader({ family: AF_UNSPEC }),
    about: "list routes",
  });
  return messages.flatMap((message) => {
    const refusal = (Object.keys(REFUSALS) as (keyof typeof REFUSALS)[]).find((name) => REFUSALS[name] === message.payload[7]);
    if (refusal === undefined) return [];
    const { destination, family } = decodeRoute(message);
    const table = decodeAttributes(message.payload, SIZE.rtmsg).get(ROUTE.RTA_TABLE);
    return { destination, family, refusal, table: table === undefined ? (message.payload[4] ?? 0) : readU32(table) };
  });
}

/** struct rtmsg */
function routeHeader(fields: {
  family: number;
  prefixLength?: number;
  sourceLength?: number;
  table?: number;
  protocol?: number;
  scope?: number;
  type?: number;
}): Uint8Array {
  const { family, prefixLength = 0, sourceLength = 0, table = 0, protocol = 0, scope = 0, type = 0 } = fields;
  // family, dst_len, src_len, tos, table, protocol, scope, type, flags (32 bits)
  return Uint8Array.of(family, prefixLength, sourceLength, 0, table, protocol, scope, type, 0, 0, 0, 0);
}

function isMainUnicast({ payload }: Message): boolean {
  return payload[4] === ROUTE.RT_TABLE_MAIN && payload[7] === ROUTE.RTN_UNICAST;
}

function decodeRoute({ payload }: Message): Route {
  const attributes = decodeAttributes(payload, SIZE.rtmsg);
  const destination = attributes.get(ROUTE.RTA_DST);
  // struct rtvia is a family, and a gateway of another one than the route's.
  const gateway = attributes.get(ROUTE.RTA_GATEWAY) ?? attributes.get(ROUTE.RTA_VIA)?.subarray(2);
  const oif = attributes.get(ROUTE.RTA_OIF);
  return {
    destination: destination === undefined ? null : { address: formatIp(destination), prefixLength: payload[1] ?? 0 },
    family: payload[0] === AF_INET ? 4 : 6,
    gateway: gateway === undefined ? null : formatIp(gateway),
    ifindex: oif === undefined ? null : readU32(oif),
  };
}
