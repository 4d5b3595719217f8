/** Ethernet frames (IEEE 802.3), VLAN tags (IEEE 802.1Q and 802.1ad), and ARP (RFC 826) as a payload that is no IP. */
import { join, u16 } from "./bytes.ts";
import { HOST, type Host, PEER } from "./hosts.ts";

export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd, QINQ: 0x88a8 } as const;

/** Bytes. */
export const ETHERNET_HEADER = 14;
export const VLAN_TAG = 4;

export interface Direction {
  from?: Host;
  to?: Host;
}

/** An Ethernet frame with VLAN tags of these types, from the outermost in, each with a priority and an id of its own. */
export function frame(
  type: number,
  payload: Uint8Array,
  tags: readonly number[] = [],
  { from = PEER, to = HOST }: Direction = {},
): Uint8Array {
  const types = [...tags, type];
  const tagged = types.flatMap((each, depth) => (depth === 0 ? u16(each) : [...u16(0x2000 + depth), ...u16(each)]));
  return join(to.mac, from.mac, tagged, payload);
}

/** "Who has the host's address?" */
export function arpRequest({ from = PEER, to = HOST }: Direction = {}): Uint8Array {
  const header = [...u16(1), ...u16(ETHERTYPE.IPV4), 6, 4, ...u16(1)];
  return frame(ETHERTYPE.ARP, join(header, from.mac, from.ipv4, [0, 0, 0, 0, 0, 0], to.ipv4), [], { from, to });
}
