/** The internet checksum as RFC 1071 defines it, over whole messages: nothing is updated in place, so it can judge those who do. */

/** The checksum of `bytes`; over a message that contains its right checksum it is 0. An odd last byte counts as the high one of a word. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}
