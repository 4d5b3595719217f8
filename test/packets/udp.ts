/** UDP datagrams (RFC 768) over IPv4. */
import { join, u16 } from "./bytes.ts";
import { checksum } from "./checksum.ts";
import { HOST, PEER } from "./hosts.ts";
import { PROTOCOL } from "./ip.ts";

/** From `PEER` to `HOST`. The checksum covers the addresses too; 0 would mean "none", so that 0xffff stands for it. */
export function udp(data: Uint8Array, { sourcePort = 40_000, destinationPort = 7 } = {}): Uint8Array {
  const length = u16(8 + data.length);
  const header = join(u16(sourcePort), u16(destinationPort), length);
  const pseudo = join(PEER.ipv4, HOST.ipv4, [0, PROTOCOL.UDP], length);
  const sum = checksum(join(pseudo, header, [0, 0], data));
  return join(header, u16(sum === 0 ? 0xffff : sum), data);
}
