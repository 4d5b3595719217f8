/** bpf_csum_diff as Linux 6.13 and newer compute it: one's complement sums of 32-bit words, folded to 16 bits at the end. */

/** `from` and `to` are of a multiple of four bytes. */
export function checksumDifference(from: Uint8Array, to: Uint8Array, seed: number): bigint {
  let sum: number;
  if (from.length > 0 && to.length > 0) sum = addOnesComplement(partial(to, seed), ~partial(from, 0) >>> 0);
  else if (to.length > 0) sum = partial(to, seed);
  else if (from.length > 0) sum = ~partial(from, ~seed >>> 0) >>> 0;
  else sum = seed;
  return BigInt(foldChecksum(sum));
}

function partial(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let sum = seed;
  for (let at = 0; at < bytes.length; at += 4) sum = addOnesComplement(sum, view.getUint32(at, true));
  return sum;
}

/** The sum of 32-bit words, with the carry added back. */
export function addOnesComplement(a: number, b: number): number {
  const sum = a + b;
  return sum > 0xffff_ffff ? (sum % 0x1_0000_0000) + 1 : sum;
}

/** csum_from32to16 */
export function foldChecksum(sum: number): number {
  const once = (sum >>> 16) + (sum & 0xffff);
  return ((once >>> 16) + once) & 0xffff;
}
