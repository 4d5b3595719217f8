/** The internet checksum (RFC 1071), updated in place. */
import { i64, u16, type u64 } from "../kernel/index.ts";

/**
 * The checksum after one 16-bit word of what it covers changed from `from` to `to`. All three in host order.
 *
 * Right for every input: RFC 1624, equation 3, HC' = ~(~HC + ~m + m'). With D = ~m + m', ~(~HC + D) in one's complement is HC - D,
 * less the borrow.
 */
export function replaceInChecksum(checksum: u16, from: u16, to: u16): u16 {
  const difference = addCarry((~from & 0xffff) + to);
  const changed = i64(checksum) - difference;
  return u16(changed + (changed >> 16));
}

/** Folds the carry of a sum of two 16-bit numbers back in, as one's complement addition does. */
function addCarry(sum: u64): u64 {
  return (sum & 0xffff) + (sum >> 16);
}
