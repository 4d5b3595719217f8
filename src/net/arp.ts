/** ARP (RFC 826) as it is used: IPv4 addresses over Ethernet. */
import { be16, be32, type Infer, struct, u8 } from "../kernel/index.ts";
import { mac } from "./ethernet.ts";

/** Behind the Ethernet header. The four fields in front of `operation` say what it is about: 1, EtherType.IPv4, 6 and 4. */
export const Arp = struct({
  hardwareType: be16,
  protocolType: be16,
  hardwareLength: u8,
  protocolLength: u8,
  operation: be16,
  senderMac: mac,
  senderIp: be32,
  targetMac: mac,
  targetIp: be32,
});
export type Arp = Infer<typeof Arp>;

export const ArpOperation = { REQUEST: 1, REPLY: 2 } as const;
