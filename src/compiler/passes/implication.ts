/**
 * What one comparison's outcome says about another. Only conclusions that the verifier draws too: it refines the same value by the
 * same comparison, and extends the checked range of the same packet pointer, so a test that follows from them gives it nothing new.
 */
import { inverse, mirrored } from "../ir/comparison.ts";
import type { CompareOp, Value } from "../ir/ir.ts";
import { isCompare } from "../ir/ir.ts";
import { constantOf, U64_MAX } from "../ir/range.ts";

/** A condition whose outcome is known. */
export interface Fact {
  condition: Value;
  holds: boolean;
}

/** A comparison that need not be an instruction, such as a phi's condition seen from one predecessor. */
export interface Comparison {
  op: CompareOp;
  left: Value;
  right: Value;
}

/** `value` as a comparison; `null` for a bool that is none. */
export function comparisonOf(value: Value): Comparison | null {
  const [left, right] = value.args;
  return isCompare(value.op) && left !== undefined && right !== undefined ? { op: value.op, left, right } : null;
}

/** The outcome of `question` where `fact` is known; `null` when it does not follow. */
export function implied(fact: Fact, question: Comparison): boolean | null {
  const known = comparisonOf(fact.condition);
  if (known === null) return null;
  const given = fact.holds ? known : { ...known, op: inverse(known.op) };
  return bySameOperands(given, question) ?? byRange(given, question) ?? byPacketEnd(given, question);
}

function bySameOperands(given: Comparison, question: Comparison): boolean | null {
  let { op } = question;
  if (isSame(given.left, question.right) && isSame(given.right, question.left)) op = mirrored(op);
  else if (!isSame(given.left, question.left) || !isSame(given.right, question.right)) return null;
  if (op === given.op) return true;
  return op === inverse(given.op) ? false : null;
}

/** Different instructions for one constant are the same value. */
function isSame(left: Value, right: Value): boolean {
  return left === right || (left.op === "const" && right.op === "const" && left.value === right.value);
}

/** x < 5 says x < 9, and x != 7. */
function byRange(given: Comparison, question: Comparison): boolean | null {
  if (given.left !== question.left || given.left.type === "ptr") return null;
  const [bound, constant] = [constantOf(given.right), constantOf(question.right)];
  if (bound === null || constant === null) return null;
  const range = rangeOf(given.op, bound);
  const asked = rangeOf(question.op, constant);
  if (range === null) return null;
  if (question.op === "ne") return constant < range.least || constant > range.most ? true : null;
  if (asked === null) return null;
  if (range.least >= asked.least && range.most <= asked.most) return true;
  return range.most < asked.least || range.least > asked.most ? false : null;
}

/** The unsigned numbers for which a comparison with `constant` holds, where they are one range. */
function rangeOf(op: CompareOp, constant: bigint): { least: bigint; most: bigint } | null {
  switch (op) {
    case "eq":
      return { least: constant, most: constant };
    case "ult":
      return constant === 0n ? null : { least: 0n, most: constant - 1n };
    case "ule":
      return { least: 0n, most: constant };
    case "ugt":
      return constant === U64_MAX ? null : { least: constant + 1n, most: U64_MAX };
    case "uge":
      return { least: constant, most: U64_MAX };
    default:
      return null;
  }
}

/** A packet that reaches to p + 34 reaches to p + 14; one that does not reach to p + 14 does not reach to p + 34. */
function byPacketEnd(given: Comparison, question: Comparison): boolean | null {
  const [known, asked] = [reachOf(given), reachOf(question)];
  if (known === null || asked === null || known.pointer !== asked.pointer || known.end !== asked.end) return null;
  if (known.isInside && asked.bytes <= known.bytes) return asked.isInside;
  if (!known.isInside && asked.bytes >= known.bytes) return !asked.isInside;
  return null;
}

/** The bytes from a pointer on that lie inside the packet, when that is what `fact` says. */
export function reachInside(fact: Fact): { pointer: Value; bytes: number } | null {
  const known = comparisonOf(fact.condition);
  const reach = known === null ? null : reachOf(fact.holds ? known : { ...known, op: inverse(known.op) });
  return reach?.isInside ? { pointer: reach.pointer, bytes: Number(reach.bytes) } : null;
}

/** What a comparison with the packet's end says. */
export interface Reach {
  pointer: Value;
  bytes: bigint;
  end: Value;
  /** Does the comparison say that the packet reaches so far, or that it does not? */
  isInside: boolean;
}

/** The farthest byte of a packet that the verifier lets a program ask for. */
const FARTHEST = 0xffffn;

/** `null` for a comparison of anything else. */
export function reachOf({ op, left, right }: Comparison): Reach | null {
  if (op === "uge" || op === "ult") return reachOf({ op: mirrored(op), left: right, right: left });
  if ((op !== "ule" && op !== "ugt") || left.op !== "add" || right.type !== "ptr") return null;
  const { pointer, bytes } = startOf(left);
  if (pointer.type !== "ptr" || bytes < 0n || bytes > FARTHEST) return null;
  return { pointer, bytes, end: right, isInside: op === "ule" };
}

/** `pointer` without the constants that are added to it, and their sum. */
export function startOf(pointer: Value): { pointer: Value; bytes: bigint } {
  const [base, step] = pointer.args;
  if (pointer.op !== "add" || base?.type !== "ptr" || step?.op !== "const") return { pointer, bytes: 0n };
  const inner = startOf(base);
  return { pointer: inner.pointer, bytes: inner.bytes + step.value };
}
