/** UDP (RFC 768) and TCP (RFC 9293) headers. */
import { be16, be32, bits, type Infer, type PacketContext, struct, u8, type u32 } from "../kernel/index.ts";

export const Udp = struct({ sourcePort: be16, destinationPort: be16, length: be16, checksum: be16 });
export type Udp = Infer<typeof Udp>;

/** Without options: `dataOffset` times four is where the payload starts. */
export const Tcp = struct({
  sourcePort: be16,
  destinationPort: be16,
  sequence: be32,
  acknowledgement: be32,
  dataOffset: bits(4),
  reserved: bits(4),
  /** From the most significant bit: CWR ECE URG ACK PSH RST SYN FIN. */
  flags: u8,
  window: be16,
  checksum: be16,
  urgentPointer: be16,
});
export type Tcp = Infer<typeof Tcp>;

/** Bits of `Tcp.flags`. */
export const TcpFlag = { FIN: 0x01, SYN: 0x02, RST: 0x04, PSH: 0x08, ACK: 0x10, URG: 0x20, ECE: 0x40, CWR: 0x80 } as const;

/** Where the payload behind the TCP header at `offset` starts, its options skipped; `null` when it is cut off, or says less than 20 bytes. */
export function tcpPayload(ctx: PacketContext, offset: u32): u32 | null {
  const tcp = ctx.at(Tcp, offset);
  return tcp && tcp.dataOffset >= 5 ? offset + tcp.dataOffset * 4 : null;
}
