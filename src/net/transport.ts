/** UDP (RFC 768) and TCP (RFC 9293) headers. */
import { be16, be32, bits, type Infer, struct, u8 } from "../kernel/index.ts";

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
