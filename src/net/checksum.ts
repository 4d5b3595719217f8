/**
 * The internet checksum (RFC 1071): computed, and updated in place. All numbers are in host order, as fields give them.
 *
 * A one's complement sum is the same in either byte order, but for the order of its own bytes (RFC 1071, section 2 (B)). So the sums are
 * formed on bytes as they lie in the packet: the swaps here and those of the fields cancel out. A word has 32 bits in all names here.
 */
import { byteSwap16, byteSwap32, i64, u16, u32, type u64 } from "../kernel/index.ts";
import type { IPv4, Ipv6Words } from "./ip.ts";

/**
 * The checksum after 16 aligned bits of what it covers changed from `from` to `to`. All three in host order. Right for every input:
 * RFC 1624, equation 3, HC' = ~(~HC + ~m + m').
 */
export function replaceInChecksum(checksum: u16, from: u16, to: u16): u16 {
  return applyToChecksum(checksum, checksumDifference(from, to));
}

/** As `replaceInChecksum`, after an aligned 32-bit word, such as an IPv4 address, changed. */
export function replaceWordInChecksum(checksum: u16, from: u32, to: u32): u16 {
  return applyToChecksum(checksum, checksumWordDifference(from, to));
}

/**
 * As `replaceInChecksum`, for UDP: 0 says that the sender computed none (RFC 768), so it stays, and what comes to 0 is written as 0xffff.
 * For IPv6, where UDP must have one, 0 stays too: such a packet was broken before.
 */
export function replaceInUdpChecksum(checksum: u16, from: u16, to: u16): u16 {
  if (checksum === 0) return 0;
  // HC + m - m', which is 0xffff more than HC less the difference: a constant takes care of it, where a complement would cost more.
  const changed = i64(byteSwap16(checksum)) + byteSwap16(from) - byteSwap16(to);
  return byteSwap16(u16(changed + ((changed * 0x10001 - 0x10000) >> 32)));
}

/** As `replaceInUdpChecksum`, after an aligned 32-bit word changed. */
export function replaceWordInUdpChecksum(checksum: u16, from: u32, to: u32): u16 {
  return applyToUdpChecksum(checksum, checksumWordDifference(from, to));
}

/**
 * What changing 16 aligned bits from `from` to `to` does to every checksum that covers it: ~m + m' in RFC 1624. Differences are added with
 * `+`, up to 32,768 of them, and `applyToChecksum` applies the sum; what lies in them is in network order.
 */
export function checksumDifference(from: u16, to: u16): u32 {
  return (~byteSwap16(from) & 0xffff) + byteSwap16(to);
}

/** As `checksumDifference`, for an aligned 32-bit word, such as an IPv4 address. */
export function checksumWordDifference(from: u32, to: u32): u32 {
  const sum: u64 = (~byteSwap32(from) & 0xffffffff) + byteSwap32(to);
  // At most 2^33 - 2, so that adding the carry does not carry again.
  return fold(u32(sum) + (sum >> 32));
}

/** As `checksumDifference`, for an IPv6 address: `checksumAddressDifference(viewAs(ip.src, Ipv6Words), viewAs(to, Ipv6Words))`. */
export function checksumAddressDifference(from: Ipv6Words, to: Ipv6Words): u32 {
  // Four times the largest word, which is 0 to a checksum, keeps the sum above 0.
  const sum: u64 = 0x3fffffffc - from.a - from.b - from.c - from.d + to.a + to.b + to.c + to.d;
  return fold(u32(sum) + (sum >> 32));
}

/**
 * The checksum after what it covers changed by `difference`. `replaceInChecksum(c, from, to)` is
 * `applyToChecksum(c, checksumDifference(from, to))`; where an address and a port change, and several checksums cover them, it saves work.
 */
export function applyToChecksum(checksum: u16, difference: u32): u16 {
  return byteSwap16(subtract(byteSwap16(checksum), difference));
}

/** As `applyToChecksum`, for UDP: see `replaceInUdpChecksum`. */
export function applyToUdpChecksum(checksum: u16, difference: u32): u16 {
  if (checksum === 0) return 0;
  const changed = i64(byteSwap16(checksum)) - difference;
  // As in `subtract`, but for the multiples of 0xffff: one less brings them to 0xffff, and not to 0.
  return byteSwap16(u16(changed + (((changed - 1) * 0x10001) >> 32)));
}

/** The checksum of an IPv4 header without options, whatever its checksum field holds: for a header that was just written. */
export function ipv4Checksum(ip: IPv4): u16 {
  const version: u16 = (ip.version << 12) + (ip.ihl << 8) + ip.tos;
  const ttl: u16 = (ip.ttl << 8) + ip.protocol;
  let sum: u64 =
    byteSwap16(version) + byteSwap16(ip.totalLength) + byteSwap16(ip.id) + byteSwap16(ip.fragment) + byteSwap16(ttl);
  sum += byteSwap32(ip.src);
  sum += byteSwap32(ip.dst);
  return byteSwap16(u16(~fold(u32(sum) + (sum >> 32))));
}

/**
 * One's complement: HC' = ~(~HC + D) is HC - D, less 1 for each borrow. 0x10001 divided by 2^32 is the least bit less than 1 divided by
 * 0xffff, so the product's upper half is how often HC - D has to be brought back by 0xffff, exactly for every `difference` below 2^32,
 * zeros in the form that the equation gives them included.
 */
function subtract(checksum: u16, difference: u32): u16 {
  const changed = i64(checksum) - difference;
  return u16(changed + ((changed * 0x10001) >> 32));
}

/** The one's complement sum of the 16-bit parts of a sum of less than 2^32 + 0xffff, in the same way. */
function fold(sum: u64): u16 {
  return u16(sum + ((sum * 0x10001) >> 32));
}
