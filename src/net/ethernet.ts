/** Ethernet and the VLAN tags behind it. Source: IEEE 802.3, IEEE 802.1Q. */
import { be16, bytes, type Infer, type PacketContext, struct, type u32 } from "../kernel/index.ts";

/** A MAC address. */
export const mac = bytes(6);
export type Mac = Infer<typeof mac>;

export const Ethernet = struct({ dst: mac, src: mac, type: be16 });
export type Ethernet = Infer<typeof Ethernet>;

/** What stands behind the tag's identifier: priority (3 bits), drop eligible (1 bit), VLAN id (12 bits), then the next EtherType. */
export const VlanTag = struct({ control: be16, type: be16 });
export type VlanTag = Infer<typeof VlanTag>;

/** Source: the IEEE 802 numbers of IANA. */
export const EtherType = {
  IPv4: 0x0800,
  ARP: 0x0806,
  /** 802.1Q, the customer's tag. */
  VLAN: 0x8100,
  /** A whole Ethernet frame, inside a tunnel. */
  TRANSPARENT_ETHERNET: 0x6558,
  IPv6: 0x86dd,
  /** 802.1ad, the provider's tag. */
  QINQ: 0x88a8,
} as const;

/** How many VLAN tags `ethernetPayload` skips: a provider's and a customer's. */
export const VLAN_MAX_DEPTH = 2;

export interface EthernetPayload {
  /** EtherType of what follows; that of a VLAN tag when there are too many tags, or the last one is cut off. */
  type: be16;
  /** Where it starts: bytes from the start of the packet. */
  offset: u32;
}

/** What the frame at `start` carries (the packet itself unless given), VLAN tags skipped; `null` when it is shorter than an Ethernet header. */
export function ethernetPayload(ctx: PacketContext, start: u32 = 0): EthernetPayload | null {
  const eth = ctx.at(Ethernet, start);
  if (!eth) return null;
  let type: be16 = eth.type;
  let offset: u32 = start + Ethernet.size;
  for (let depth = 0; depth < VLAN_MAX_DEPTH; depth++) {
    if (type !== EtherType.VLAN && type !== EtherType.QINQ) break;
    const tag = ctx.at(VlanTag, offset);
    if (!tag) break;
    type = tag.type;
    offset += VlanTag.size;
  }
  return { type, offset };
}
