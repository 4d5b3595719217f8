/** bpf_l3_csum_replace and bpf_l4_csum_replace: a checksum in the packet follows a change of what it covers (include/net/checksum.h). */
import { addOnesComplement, foldChecksum } from "./checksum.ts";
import type { Skb } from "./skb.ts";

const EFAULT = -14n;
const EINVAL = -22n;
const SIZE_MASK = 0xfn;
const PSEUDO_HEADER = 0x10n;
const MANGLED_0 = 0x20n;
const MARK_ENFORCE = 0x40n;
const IPV6 = 0x80n;

export function replaceL3Checksum(skb: Skb, offset: number, from: bigint, to: bigint, flags: bigint): bigint {
  if ((flags & ~SIZE_MASK) !== 0n) return EINVAL;
  return replace(skb, offset, from, to, flags & SIZE_MASK);
}

export function replaceL4Checksum(skb: Skb, offset: number, from: bigint, to: bigint, flags: bigint): bigint {
  if ((flags & ~(SIZE_MASK | PSEUDO_HEADER | MANGLED_0 | MARK_ENFORCE | IPV6)) !== 0n) return EINVAL;
  if (isOutside(skb, offset)) return EFAULT;
  const mangledZero = (flags & MANGLED_0) !== 0n;
  if (mangledZero && (flags & MARK_ENFORCE) === 0n && skb.region.view.getUint16(offset, true) === 0) return 0n;
  const result = replace(skb, offset, from, to, flags & SIZE_MASK);
  if (mangledZero && skb.region.view.getUint16(offset, true) === 0) skb.region.view.setUint16(offset, 0xffff, true);
  return result;
}

function isOutside(skb: Skb, offset: number): boolean {
  return offset > 0xffff || offset % 2 !== 0 || !skb.makeWritable(offset + 2);
}

/** The words are taken as they lie in memory: the one's complement sum does not mind. */
function replace(skb: Skb, offset: number, from: bigint, to: bigint, size: bigint): bigint {
  if (isOutside(skb, offset)) return EFAULT;
  const { view } = skb.region;
  const sum = ~view.getUint16(offset, true) & 0xffff;
  const word = (value: bigint) => Number(BigInt.asUintN(size === 2n ? 16 : 32, value));
  let next: number;
  if (size === 0n) {
    if (from !== 0n) return EINVAL;
    next = addOnesComplement(word(to), sum);
  } else if (size === 2n) {
    next = addOnesComplement(addOnesComplement(sum, ~word(from) & 0xffff), word(to));
  } else if (size === 4n) {
    next = addOnesComplement(addOnesComplement(sum, ~word(from) >>> 0), word(to));
  } else {
    return EINVAL;
  }
  view.setUint16(offset, ~foldChecksum(next) & 0xffff, true);
  return 0n;
}
