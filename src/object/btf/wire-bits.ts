/**
 * Bit fields in wire order, most significant first. BTF counts bits from the least significant of a byte, so a field across bytes has no place
 * there. Its run of bit fields becomes a union without a name, in which each field is all bytes of the run under a typedef that says
 * which bits of them it is: `__be_bits_4_8` has eight bits behind the first four. Every kernel takes that, other tools show the bytes under the
 * field's name, and the codec reads the bits.
 */
import { typeAt, underlying } from "./layout.ts";
import type { Btf, BtfType } from "./types.ts";

export interface WireBits {
  /** Bits of the run before the field. */
  position: number;
  /** The field's own, 1 to 32. */
  bits: number;
  /** Of the whole run. */
  bytes: number;
}

export function wireBitsName({ position, bits }: Omit<WireBits, "bytes">): string {
  return `__be_bits_${position}_${bits}`;
}

/** What the typedef with this id says; `null` when it is none of these, or says what its bytes do not have. */
export function wireBits(btf: Btf, id: number): WireBits | null {
  const type = typeAt(btf, id);
  const numbers = type?.kind === "typedef" ? /^__be_bits_(\d{1,7})_(\d{1,2})$/.exec(type.name) : null;
  if (numbers === null) return null;
  const array = underlying(btf, id);
  const element = array?.kind === "array" ? underlying(btf, array.type) : undefined;
  if (array?.kind !== "array" || element?.kind !== "int" || element.size !== 1) return null;
  const [position, bits] = [Number(numbers[1]), Number(numbers[2])];
  if (bits < 1 || bits > 32 || position + bits > array.length * 8) return null;
  return { position, bits, bytes: array.length };
}

/** Whether the members of this union are bit fields beside each other, so that a value has all of them. */
export function isRunOfBits(btf: Btf, type: BtfType): boolean {
  return (
    type.kind === "union" && type.members.length > 0 && type.members.every((member) => wireBits(btf, member.type) !== null)
  );
}
