/** TCP segments (RFC 9293) over IPv4. */
import { join, u16 } from "./bytes.ts";
import { checksum } from "./checksum.ts";
import { HOST, PEER } from "./hosts.ts";
import { PROTOCOL } from "./ip.ts";

const SYN = 0x02;

export interface TcpFields {
  sourcePort?: number;
  destinationPort?: number;
  /** Length of the header in words of four bytes. Other than 5: a lie, the data follows byte 20. */
  dataOffset?: number;
  flags?: number;
  /** Instead of the right one. */
  checksum?: number;
}

/** From `PEER` to `HOST`. The checksum covers the addresses too. */
export function tcp(data: Uint8Array, fields: TcpFields = {}): Uint8Array {
  const { sourcePort = 40_000, destinationPort = 7, dataOffset = 5, flags = SYN } = fields;
  const start = join(u16(sourcePort), u16(destinationPort), [0, 0, 0, 1, 0, 0, 0, 0], [dataOffset << 4, flags], u16(0xffff));
  const pseudo = join(PEER.ipv4, HOST.ipv4, [0, PROTOCOL.TCP], u16(20 + data.length));
  const sum = fields.checksum ?? checksum(join(pseudo, start, [0, 0, 0, 0], data));
  return join(start, u16(sum), [0, 0], data);
}
