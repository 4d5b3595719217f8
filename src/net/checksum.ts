/**
 * The internet checksum (RFC 1071): computed, and updated in place. All numbers are in host order, as fields give them.
 *
 * A one's complement sum is the same in either byte order, but for the order of its own bytes (RFC 1071, section 2 (B)). So the sums are
 * formed on bytes as they lie in the packet: the swaps here and those of the fields cancel out. A word has 32 bits in all names here.
 */
import { byteSwap16, byteSwap32, u16, type u32, u64 } from "../kernel/index.ts";
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
  // HC + m - m', with 0xffff more to keep it above 0: multiples of 0xffff come to 0xffff, and not to 0.
  return byteSwap16(fold(u64(byteSwap16(checksum)) + byteSwap16(from) - byteSwap16(to) + 0xffff));
}

/** As `replaceInUdpChecksum`, after an aligned 32-bit word changed. */
export function replaceWordInUdpChecksum(checksum: u16, from: u32, to: u32): u16 {
  return applyToUdpChecksum(checksum, checksumWordDifference(from, to));
}

/**
 * What changing 16 aligned bits from `from` to `to` does to every checksum that covers it: ~m + m' in RFC 1624. Differences are added with
 * `+`, also those of words and addresses, as long as the sum stays below 2^46 (thousands of addresses), and `applyToChecksum` applies
 * the sum; what lies in them is in network order.
 */
export function checksumDifference(from: u16, to: u16): u64 {
  return u64(~byteSwap16(from) & 0xffff) + byteSwap16(to);
}

/** As `checksumDifference`, for an aligned 32-bit word, such as an IPv4 address. */
export function checksumWordDifference(from: u32, to: u32): u64 {
  return u64(~byteSwap32(from) & 0xffffffff) + byteSwap32(to);
}

/** As `checksumDifference`, for an IPv6 address: `checksumAddressDifference(viewAs(ip.src, Ipv6Words), viewAs(to, Ipv6Words))`. */
export function checksumAddressDifference(from: Ipv6Words, to: Ipv6Words): u64 {
  // Four times the largest word, which is 0 to a checksum, keeps the sum above 0.
  return u64(0x3fffffffc) - from.a - from.b - from.c - from.d + to.a + to.b + to.c + to.d;
}

/**
 * The checksum after what it covers changed by `difference`. `replaceInChecksum(c, from, to)` is
 * `applyToChecksum(c, checksumDifference(from, to))`; where an address and a port change, and several checksums cover them, it saves work.
 */
export function applyToChecksum(checksum: u16, difference: u64): u16 {
  // HC' = ~(~HC + D) is HC - D, zeros included: the one where it is not below 0 already, 0xffff - 0, is the one that comes to 0xffff.
  return byteSwap16(fold(u64(byteSwap16(checksum)) - difference));
}

/** As `applyToChecksum`, for UDP: see `replaceInUdpChecksum`. */
export function applyToUdpChecksum(checksum: u16, difference: u64): u16 {
  if (checksum === 0) return 0;
  const product = foldingProduct(u64(byteSwap16(checksum)) - difference);
  // What is less than 2^31 times 0xffff below 0 is led to 0xffff like what is above, and not to 0; all others have room for it.
  return byteSwap16(u16((product - 0x80000000) >> 48));
}

/** The checksum of an IPv4 header without options, whatever its checksum field holds: for a header that was just written. */
export function ipv4Checksum(ip: IPv4): u16 {
  const version: u16 = (ip.version << 12) + (ip.ihl << 8) + ip.tos;
  const ttl: u16 = (ip.ttl << 8) + ip.protocol;
  let sum: u64 =
    byteSwap16(version) + byteSwap16(ip.totalLength) + byteSwap16(ip.id) + byteSwap16(ip.fragment) + byteSwap16(ttl);
  sum += byteSwap32(ip.src);
  sum += byteSwap32(ip.dst);
  return byteSwap16(u16(~fold(sum)));
}

/**
 * The one's complement sum of the 16-bit parts of `sum`, which is from -2^46 to 2^46: its remainder by 0xffff, where multiples of 0xffff
 * above 0 give 0xffff, as repeated addition of the carry does, and 0 and those below give 0.
 */
function fold(sum: u64): u16 {
  return u16(foldingProduct(sum) >> 48);
}

/**
 * `sum` times (2^64 - 1) / 0xffff, which is 0x0001000100010001. With sum = q * 0xffff + r the product is r * 0x0001000100010001 - q, less
 * multiples of 2^64: r stands in its upper 16 bits. Below, r three times over has room for every q unless r is 0; then -q shows.
 * The factor is written as two, each of which is part of an instruction.
 */
function foldingProduct(sum: u64): u64 {
  return sum * 42009217 * 6700417;
}
