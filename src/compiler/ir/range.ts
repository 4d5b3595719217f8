/**
 * What the verifier knows about the size of a number, computed the way it computes it (`adjust_scalar_min_max_vals` of the
 * kernel's verifier.c), and never more: a bound that only we can prove does not make the kernel accept a pointer. Comparisons
 * on the way are not looked at, so this holds wherever the value is used. The one bound taken across paths is a phi's: the
 * verifier walks every path on its own and knows on each one what that path's argument is.
 */
import type { Value } from "./ir.ts";

export const U64_MAX = 0xffff_ffff_ffff_ffffn;
const U32_MAX = 0xffff_ffffn;
const S64_MAX = 0x7fff_ffff_ffff_ffffn;

/** The largest unsigned number that the verifier takes `value` for; 2^64 - 1 when it knows nothing, and for pointers. */
export function upperBound(value: Value): bigint {
  return bound(value, { known: new Map(), given: () => null });
}

/** The same at a place where more is known of some values than how they were computed: `given` says it, or `null`. */
export function upperBoundGiven(value: Value, given: (value: Value) => bigint | null): bigint {
  return bound(value, { known: new Map(), given });
}

/** The same where `other` is taken for any number up to `most`, whatever it is made of. */
export function upperBoundIf(value: Value, other: Value, most: bigint): bigint {
  return bound(value, { known: new Map([[other, most]]), given: () => null });
}

/** All bits that a number up to `maximum` can have: the verifier's tnum of the range 0 to `maximum`. */
export function bitsBelow(maximum: bigint): bigint {
  return maximum === 0n ? 0n : (1n << BigInt(maximum.toString(2).length)) - 1n;
}

/** `value` as the unsigned number of a `const`, or `null` for anything else. */
export function constantOf(value: Value): bigint | null {
  return value.op === "const" ? BigInt.asUintN(64, value.value) : null;
}

interface Search {
  known: Map<Value, bigint>;
  given: (value: Value) => bigint | null;
}

function bound(value: Value, search: Search): bigint {
  const { known, given } = search;
  const seen = known.get(value);
  if (seen !== undefined) return seen;
  const most = (value.type === "ptr" ? null : given(value)) ?? U64_MAX;
  known.set(value, most); // what a cycle of phis finds when it comes back here
  const result = smaller(most, compute(value, search));
  known.set(value, result);
  return result;
}

function compute(value: Value, search: Search): bigint {
  if (value.type === "ptr") return U64_MAX;
  if (value.type === "bool" && value.op !== "load") return 1n;
  const of = (index: number): bigint => bound(value.args[index] as Value, search); // every op's arity is fixed
  const constant = (index: number): bigint | null => constantOf(value.args[index] as Value);
  switch (value.op) {
    case "const":
      return BigInt.asUintN(64, value.value);
    case "load":
      return (1n << BigInt(8 * value.size)) - 1n;
    case "zext":
      return smaller(of(0), (1n << BigInt(value.bits)) - 1n);
    case "sext":
      return of(0) < 1n << BigInt(value.bits - 1) ? of(0) : U64_MAX;
    case "and":
      return smaller(of(0), of(1));
    case "or":
    case "xor":
      return bitsBelow(of(0)) | bitsBelow(of(1));
    case "add": {
      const sum = of(0) + of(1);
      return sum > U64_MAX ? U64_MAX : sum;
    }
    case "sub": {
      const minuend = constant(0);
      return minuend !== null && of(1) <= minuend ? minuend : U64_MAX;
    }
    case "mul":
      return of(0) <= U32_MAX && of(1) <= U32_MAX ? of(0) * of(1) : U64_MAX;
    case "shl": {
      const amount = constant(1);
      return amount !== null && amount < 64n && of(0) <= 1n << (63n - amount) ? of(0) << amount : U64_MAX;
    }
    case "lshr": {
      // By an amount that is no constant, the verifier knows nothing afterwards (`is_safe_to_compute_dst_reg_range`).
      const amount = constant(1);
      return amount !== null && amount < 64n ? of(0) >> amount : U64_MAX;
    }
    case "ashr": {
      const amount = constant(1);
      return amount !== null && amount < 64n && of(0) <= S64_MAX ? of(0) >> amount : U64_MAX;
    }
    case "phi": {
      // While the front end is still building a loop, its phis have no arguments yet.
      if (value.args.length === 0) return U64_MAX;
      return value.args.reduce((most, _, index) => larger(most, of(index)), 0n);
    }
    default:
      // Division, byte swaps and calls: the verifier forgets.
      return U64_MAX;
  }
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function larger(left: bigint, right: bigint): bigint {
  return left < right ? right : left;
}
