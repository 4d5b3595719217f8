/** Looks through operations that only touch bits nobody reads, e.g. the mask of a value whose low 16 bits are stored. */
import type { Value } from "../../ir/ir.ts";
import { maskOf } from "../../ir/known-bits.ts";
import { constantOf } from "../../ir/range.ts";
import type { Maker } from "./rule.ts";

/** Puts simpler values for the arguments of `user` in place, of which it reads only the bits in `mask`. True when it did. */
export function simplifyDemanded(user: Value, index: number, mask: bigint, make: Maker): boolean {
  const value = user.args[index] as Value; // the caller knows the arity
  const stripped = strip(value, mask, user, make);
  if (stripped !== value) {
    user.args[index] = stripped;
    return true;
  }
  return stripOperands(value, mask, user, make);
}

function strip(value: Value, mask: bigint, user: Value, make: Maker): Value {
  let result = value;
  for (;;) {
    const inner = unneeded(result, mask, user, make);
    if (inner === null || !make.bounding.maySkip(result, user)) return result;
    result = inner;
  }
}

/** What `value` works on, when it changes no bit in `mask`. */
function unneeded(value: Value, mask: bigint, user: Value, make: Maker): Value | null {
  const [inner, right] = value.args;
  if (inner === undefined || inner.type === "ptr") return null;
  const constant = right === undefined ? null : constantOf(right);
  switch (value.op) {
    case "and":
      return constant !== null && (mask & ~constant & make.bits(inner, user)) === 0n ? inner : null;
    case "or":
    case "xor":
      return constant !== null && (mask & constant) === 0n ? inner : null;
    case "add":
      return constant !== null && (constant & maskOf(mask.toString(2).length)) === 0n ? inner : null;
    case "zext":
      return (mask & ~maskOf(value.bits) & make.bits(inner, user)) === 0n ? inner : null;
    case "sext":
      return (mask & ~maskOf(value.bits)) === 0n ? inner : null;
    default:
      return null;
  }
}

/** Low bits of a sum, difference or product depend on low bits of the operands only. */
function stripOperands(value: Value, mask: bigint, user: Value, make: Maker): boolean {
  const { op } = value;
  if (op !== "add" && op !== "sub" && op !== "mul" && op !== "and" && op !== "or" && op !== "xor") return false;
  if (value.type === "ptr" || !make.isUsedOnce(value) || make.bounding.isCompared(value)) return false;
  const low = maskOf(mask.toString(2).length);
  if (low !== mask) return false;
  let changed = false;
  for (const [index, operand] of value.args.entries()) {
    const stripped = strip(operand, low, user, make);
    if (stripped === operand) continue;
    value.args[index] = stripped;
    make.noteUse(stripped);
    changed = true;
  }
  return changed;
}
