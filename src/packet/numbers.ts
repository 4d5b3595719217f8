/** Numbers by which protocols name what they carry. Source: the registries of IANA. */

/** EtherType: the protocol's name here, and how the number is printed. */
export const ETHER_TYPES: Readonly<Record<number, readonly [protocol: string | null, label: string]>> = {
  2048: ["ip", "IPv4"],
  2054: ["arp", "ARP"],
  33024: ["vlan", "VLAN"],
  34525: ["ip6", "IPv6"],
  34984: ["vlan", "QINQ"],
  25944: ["eth", "Ethernet"],
  34887: [null, "MPLS"],
  34958: [null, "802.1X"],
  35020: [null, "LLDP"],
};

/** IP protocol numbers; the first of a name is the one that is written. */
export const IP_PROTOCOLS: Readonly<Record<number, readonly [protocol: string | null, label: string]>> = {
  0: ["hopopts", "HOPOPTS"],
  1: ["icmp", "ICMP"],
  2: [null, "IGMP"],
  4: ["ip", "IPIP"],
  6: ["tcp", "TCP"],
  17: ["udp", "UDP"],
  41: ["ip6", "IPV6"],
  43: ["routing", "ROUTING"],
  44: ["frag6", "FRAGMENT"],
  47: ["gre", "GRE"],
  50: [null, "ESP"],
  51: [null, "AH"],
  58: ["icmp6", "ICMPV6"],
  60: ["dstopts", "DSTOPTS"],
  132: [null, "SCTP"],
};

/** UDP ports whose datagrams are looked into. */
export const UDP_PORTS: Readonly<Record<number, string>> = { 4789: "vxlan", 6081: "geneve" };

export const labels = (table: typeof ETHER_TYPES): Readonly<Record<number, string>> =>
  Object.fromEntries(Object.entries(table).map(([number, [, label]]) => [number, label]));

export const protocolOf = (table: typeof ETHER_TYPES, number: number): string | null => table[number]?.[0] ?? null;

/** The number that stands for a protocol; null when it has none there. */
export function numberFor(table: typeof ETHER_TYPES, protocol: string): number | null {
  const found = Object.entries(table).find(([, [name]]) => name === protocol);
  return found === undefined ? null : Number(found[0]);
}
