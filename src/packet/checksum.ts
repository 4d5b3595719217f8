/** The internet checksum (RFC 1071), over whole messages. */

/** Of `parts`, one after the other; all but the last have an even length. Over a message that holds its right checksum it is 0. */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const bytes of parts) {
    for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return ~sum & 0xffff;
}

/** What TCP, UDP and ICMPv6 sum up besides themselves. `src` and `dst` have 4 or 16 bytes. */
export function pseudoHeader(src: Uint8Array, dst: Uint8Array, protocol: number, length: number): Uint8Array {
  const bytes = new Uint8Array(src.length + dst.length + (src.length === 4 ? 4 : 8));
  bytes.set(src);
  bytes.set(dst, src.length);
  const view = new DataView(bytes.buffer);
  if (src.length === 4) {
    view.setUint8(9, protocol);
    view.setUint16(10, length);
  } else {
    view.setUint32(32, length);
    view.setUint8(39, protocol);
  }
  return bytes;
}
