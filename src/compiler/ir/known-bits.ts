/**
 * Which bits of a number can be set at all. There are two answers, and passes must choose: what is true, and what the verifier
 * can see. A mask that bounds an offset into the packet may only be dropped when the *verifier* sees that it does nothing: it
 * forgets everything at a byte swap, although 16 swapped bits are 16 bits.
 */
import type { Value } from "./ir.ts";
import { bitsBelow, constantOf, U64_MAX, upperBound } from "./range.ts";

export type Knowledge = "true" | "verifier";

/** Deeper chains are rare; phis would make the walk exponential. */
const DEPTH = 6;

/** A mask with a 1 wherever `value` may have one. */
export function possibleBits(value: Value, knowledge: Knowledge, depth = DEPTH): bigint {
  if (value.type === "ptr") return U64_MAX;
  const most = bitsBelow(upperBound(value));
  return depth === 0 ? most : most & byOperation(value, knowledge, depth - 1);
}

/** The bits of a number of `width` bits. */
export function maskOf(width: number): bigint {
  return (1n << BigInt(width)) - 1n;
}

function byOperation(value: Value, knowledge: Knowledge, depth: number): bigint {
  const of = (index: number): bigint => possibleBits(value.args[index] as Value, knowledge, depth); // every op's arity is fixed
  switch (value.op) {
    case "const":
      return BigInt.asUintN(64, value.value);
    case "and":
      return of(0) & of(1);
    case "or":
    case "xor":
      return of(0) | of(1);
    case "zext":
      return of(0) & maskOf(value.bits);
    case "shl": {
      const amount = constantOf(value.args[1] as Value);
      return amount !== null && amount < 64n ? (of(0) << amount) & U64_MAX : U64_MAX;
    }
    case "lshr": {
      const amount = constantOf(value.args[1] as Value);
      return amount !== null && amount < 64n ? of(0) >> amount : U64_MAX;
    }
    case "bswap":
      return knowledge === "true" ? maskOf(value.bits) : U64_MAX;
    case "add":
      // A sum of two numbers of n bits has n + 1.
      return carried(of(0), of(1));
    case "udiv":
      return knowledge === "true" ? bitsBelow(of(0)) : U64_MAX;
    case "umod":
      return knowledge === "true" ? bitsBelow(of(0)) : U64_MAX;
    case "phi":
      return value.args.length === 0 ? U64_MAX : value.args.reduce((bits, _, index) => bits | of(index), 0n);
    default:
      return U64_MAX;
  }
}

function carried(left: bigint, right: bigint): bigint {
  const most = bitsBelow(left) + bitsBelow(right);
  return most > U64_MAX ? U64_MAX : bitsBelow(most);
}
