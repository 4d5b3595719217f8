/** The neighbour table: which Ethernet address an IP address on a link has. In the calling thread's network namespace. */
import { AF_UNSPEC, familyOf, formatIp, parseIp } from "../ip-address.ts";
import { formatMac, parseMac } from "../mac.ts";
import { NEIGHBOUR, NETLINK, SIZE } from "./constants.ts";
import { bytesAttribute, concatenate, decodeAttributes, type Message } from "./message.ts";
import { requestRtnetlink } from "./socket.ts";

const STATES = {
  [NEIGHBOUR.NUD_INCOMPLETE]: "incomplete",
  [NEIGHBOUR.NUD_REACHABLE]: "reachable",
  [NEIGHBOUR.NUD_STALE]: "stale",
  [NEIGHBOUR.NUD_DELAY]: "delay",
  [NEIGHBOUR.NUD_PROBE]: "probe",
  [NEIGHBOUR.NUD_FAILED]: "failed",
  [NEIGHBOUR.NUD_NOARP]: "noarp",
  [NEIGHBOUR.NUD_PERMANENT]: "permanent",
} as const;

export type NeighbourState = (typeof STATES)[keyof typeof STATES] | "none";

export interface Neighbour {
  ifindex: number;
  address: string;
  /** null while it is being looked for, and when nobody answered. */
  mac: string | null;
  state: NeighbourState;
}

/** The neighbours on one device, or on all. */
export function listNeighbours(ifindex?: number): Neighbour[] {
  const messages = requestRtnetlink({
    type: NETLINK.RTM_GETNEIGH,
    flags: NETLINK.NLM_F_DUMP,
    payload: neighbourHeader(AF_UNSPEC, 0, 0),
    about: "list neighbours",
  });
  return messages.map(decodeNeighbour).filter((neighbour) => ifindex === undefined || neighbour.ifindex === ifindex);
}

/** Writes down a neighbour for good: it is never asked for (ARP, RFC 826; neighbour discovery, RFC 4861) and never forgotten. */
export function setPermanentNeighbour(options: { ifindex: number; address: string; mac: string }): void {
  const address = parseIp(options.address);
  requestRtnetlink({
    type: NETLINK.RTM_NEWNEIGH,
    flags: NETLINK.NLM_F_CREATE | NETLINK.NLM_F_REPLACE,
    payload: concatenate([
      neighbourHeader(familyOf(address), options.ifindex, NEIGHBOUR.NUD_PERMANENT),
      bytesAttribute(NEIGHBOUR.NDA_DST, address),
      bytesAttribute(NEIGHBOUR.NDA_LLADDR, parseMac(options.mac)),
    ]),
    about: `set neighbour ${options.address} on link ${options.ifindex}`,
  });
}

/**
 * Has the kernel look for a neighbour, or ask one that it knows whether it is still there: as if it had a packet for it. The answer comes as an
 * event.
 */
export function askNeighbour(options: { ifindex: number; address: string }): void {
  const address = parseIp(options.address);
  requestRtnetlink({
    type: NETLINK.RTM_NEWNEIGH,
    flags: NETLINK.NLM_F_CREATE | NETLINK.NLM_F_REPLACE,
    payload: concatenate([
      neighbourHeader(familyOf(address), options.ifindex, 0, NEIGHBOUR.NTF_USE),
      bytesAttribute(NEIGHBOUR.NDA_DST, address),
    ]),
    about: `ask for neighbour ${options.address} on link ${options.ifindex}`,
  });
}

/** struct ndmsg */
function neighbourHeader(family: number, ifindex: number, state: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(SIZE.ndmsg);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, family);
  view.setInt32(4, ifindex, true);
  view.setUint16(8, state, true);
  view.setUint8(10, flags);
  return bytes;
}

export function decodeNeighbour({ payload }: Message): Neighbour {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload, SIZE.ndmsg);
  const mac = attributes.get(NEIGHBOUR.NDA_LLADDR);
  const state = view.getUint16(8, true);
  return {
    ifindex: view.getInt32(4, true),
    address: formatIp(attributes.get(NEIGHBOUR.NDA_DST) ?? new Uint8Array(4)),
    mac: mac?.length === 6 ? formatMac(mac) : null,
    state: state in STATES ? STATES[state as keyof typeof STATES] : "none",
  };
}
