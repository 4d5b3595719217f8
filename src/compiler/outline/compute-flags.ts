/**
 * Keeps the verifier from walking every combination of comparisons whose outcome is stored. A comparison that becomes 0 or 1 by a branch gives it two
 * states to go on with, and a key of sixteen flags 65,536. Where a function stores many, they are computed by arithmetic instead, of which the
 * verifier knows that it gives 0 or 1. A few are left alone: the branch is shorter, and tells the verifier something about what was compared.
 */
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { isCompare } from "../ir/ir.ts";
import { possibleBits } from "../ir/known-bits.ts";
import { replaceIn, usersOf } from "../ir/uses.ts";
import { decisiveValues } from "./decisive.ts";

/** Each doubles the states. */
const MOST_STORED = 6;
const LARGEST = (1n << 63n) - 1n;

export function computeFlags(fn: Function): void {
  const decisive = decisiveValues(fn);
  const users = usersOf(fn);
  const isStored = (value: Value): boolean =>
    decisive.has(value) && (users.get(value) ?? []).some((user) => user.op !== "branch" && !isCompare(user.op as Value["op"]));
  const stored = fn.blocks.flatMap((block) =>
    block.instructions.flatMap((value) => (isCompare(value.op) && isStored(value) ? [{ block, value }] : [])),
  );
  if (stored.length <= MOST_STORED) return;
  for (const { block, value } of stored) {
    const computed = compute(fn, block, value);
    if (computed === null) continue;
    for (const user of users.get(value) ?? []) {
      if (user.op === "branch" || isCompare(user.op as Value["op"])) continue;
      replaceIn(user, value, computed);
    }
  }
}

/** The comparison's outcome by arithmetic, behind it in its block; `null` where it compares addresses. */
function compute(fn: Function, block: Block, comparison: Value): Value | null {
  const [left, right] = comparison.args as [Value, Value]; // a comparison has two
  if (left.type !== "int" || right.type !== "int") return null;
  const isSmall = [left, right].every((side) => possibleBits(side, "true") <= LARGEST);
  const isSigned = comparison.op.startsWith("s");
  let at = block.instructions.indexOf(comparison) + 1;
  const emit = (
    body: { op: "const"; value: bigint } | { op: "sub" | "xor" | "and" | "or" | "lshr"; args: [Value, Value] },
  ): Value => {
    const { span } = comparison;
    const made = { args: [], ...body, type: "int", id: fn.nextId++, span } as Instruction; // one of the two shapes above, made whole
    block.instructions.splice(at++, 0, made);
    return made;
  };
  const constant = (value: bigint): Value => emit({ op: "const", value });
  const isNegative = (value: Value): Value => emit({ op: "lshr", args: [value, constant(63n)] });
  const isLess = (one: Value, other: Value): Value => {
    const difference = emit({ op: "sub", args: [one, other] });
    if (isSmall) return isNegative(difference);
    // The difference may have overflowed: where the signs differ, they say it; elsewhere it does not overflow.
    const differs = emit({ op: "xor", args: [one, other] });
    const decides = emit({ op: "and", args: [differs, emit({ op: "xor", args: [difference, isSigned ? one : other] })] });
    return isNegative(emit({ op: "xor", args: [difference, decides] }));
  };
  const isUnequal = (): Value => {
    const differs = emit({ op: "xor", args: [left, right] });
    const negated = emit({ op: "sub", args: [constant(0n), differs] });
    return isNegative(isSmall ? negated : emit({ op: "or", args: [differs, negated] }));
  };
  const not = (flag: Value): Value => emit({ op: "xor", args: [flag, constant(1n)] });
  const result = (): Value | null => {
    switch (comparison.op) {
      case "ult":
      case "slt":
        return isLess(left, right);
      case "ugt":
      case "sgt":
        return isLess(right, left);
      case "ule":
      case "sle":
        return not(isLess(right, left));
      case "uge":
      case "sge":
        return not(isLess(left, right));
      case "eq":
        return not(isUnequal());
      case "ne":
        return isUnequal();
      default:
        return null;
    }
  };
  const flag = result();
  if (flag !== null) flag.type = "bool";
  return flag;
}
