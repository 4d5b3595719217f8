/** The internet checksum (RFC 1071): computed, and updated in place. All numbers are in host order, as fields give them. */
import { i64, u16, u32, type u64 } from "../kernel/index.ts";
import type { IPv4 } from "./ip.ts";

/**
 * The checksum after one 16-bit word of what it covers changed from `from` to `to`. All three in host order.
 *
 * Right for every input: RFC 1624, equation 3, HC' = ~(~HC + ~m + m'). With D = ~m + m', ~(~HC + D) in one's complement is HC - D,
 * less the borrow.
 */
export function replaceInChecksum(checksum: u16, from: u16, to: u16): u16 {
  return subtract(checksum, addCarry((~from & 0xffff) + to));
}

/** As `replaceInChecksum`, after an aligned 32-bit word, such as an IPv4 address, changed. */
export function replaceWordInChecksum(checksum: u16, from: u32, to: u32): u16 {
  // At most 2^33 - 2, so that adding the carry does not carry again.
  const sum: u64 = (~from & 0xffffffff) + to;
  return subtract(checksum, addHalves(u32(sum + (sum >> 32))));
}

/**
 * As `replaceInChecksum`, for UDP: 0 says that the sender computed none (RFC 768), so it stays, and what comes to 0 is written as 0xffff.
 * For IPv6, where UDP must have one, 0 stays too: such a packet was broken before.
 */
export function replaceInUdpChecksum(checksum: u16, from: u16, to: u16): u16 {
  return udpChecksum(checksum, replaceInChecksum(checksum, from, to));
}

/** As `replaceInUdpChecksum`, after an aligned 32-bit word changed. */
export function replaceWordInUdpChecksum(checksum: u16, from: u32, to: u32): u16 {
  return udpChecksum(checksum, replaceWordInChecksum(checksum, from, to));
}

/** The checksum of an IPv4 header without options, whatever its checksum field holds: for a header that was just written. */
export function ipv4Checksum(ip: IPv4): u16 {
  let sum: u64 =
    (ip.version << 12) + (ip.ihl << 8) + ip.tos + ip.totalLength + ip.id + ip.fragment + (ip.ttl << 8) + ip.protocol;
  sum += ip.src;
  sum += ip.dst;
  return u16(~addHalves(u32(addCarry(sum))));
}

function udpChecksum(old: u16, updated: u16): u16 {
  if (old === 0) return 0;
  return updated === 0 ? 0xffff : updated;
}

/** `checksum` less `difference`, at most 0xffff, in one's complement. */
function subtract(checksum: u16, difference: u64): u16 {
  const changed = i64(checksum) - difference;
  return u16(changed + (changed >> 16));
}

/** Folds what a sum has above its low 16 bits back in, as one's complement addition does. */
function addCarry(sum: u64): u64 {
  return (sum & 0xffff) + (sum >> 16);
}

/**
 * The one's complement sum of the two halves of `word`. Added to itself with the halves exchanged, each half becomes the sum of both, and the
 * carry out of the lower one goes where it belongs.
 */
function addHalves(word: u32): u64 {
  return u32(word * 0x10001 + (word >> 16)) >> 16;
}
