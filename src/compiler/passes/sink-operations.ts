/**
 * Does once, after paths meet, what each path did just for that: a phi of byte swaps is the byte swap of a phi. EtherTypes found at
 * different depths are then compared with swapped constants, and never swapped at all.
 */
import { evaluateExtend, evaluateSwap } from "../ir/arithmetic.ts";
import { phisOf } from "../ir/edges.ts";
import type { Block, ExtendOp, Function, Instruction, Value } from "../ir/ir.ts";
import { type User, usersOf } from "../ir/uses.ts";
import { Bounding } from "./bounding.ts";

type Unary = Extract<Instruction, { op: ExtendOp | "bswap" }>;

/** True when any operation was moved. */
export function sinkOperations(fn: Function): boolean {
  const users = usersOf(fn);
  const bounding = new Bounding(fn);
  let changed = false;
  for (const block of fn.blocks) {
    for (const phi of phisOf(block)) {
      const operation = commonOperation(phi, users, bounding);
      if (operation === null) continue;
      sink(fn, block, phi, operation);
      changed = true;
    }
  }
  return changed;
}

/** The operation that makes every argument of `phi`, for `phi` alone; constants are what it could have made. */
function commonOperation(phi: Instruction, users: ReadonlyMap<Value, User[]>, bounding: Bounding): Unary | null {
  let common: Unary | null = null;
  for (const value of phi.args) {
    if (value.op === "const") {
      // On that path the verifier knows the number exactly, and would not after the merge.
      if (bounding.needs(phi)) return null;
      continue;
    }
    if (value.op !== "bswap" && value.op !== "zext" && value.op !== "sext") return null;
    if (common !== null && (value.op !== common.op || value.bits !== common.bits)) return null;
    if (users.get(value)?.some((user) => user !== phi)) return null;
    common = value;
  }
  const operation = common;
  if (operation === null || phi.type !== "int") return null;
  const fits = phi.args.every((value) => value.op !== "const" || undo(operation, value.value) !== null);
  return fits ? operation : null;
}

/** A number from which `operation` makes `value`; `null` when there is none. */
function undo({ op, bits }: Unary, value: bigint): bigint | null {
  const original = op === "bswap" ? evaluateSwap(bits, value) : value;
  const again = op === "bswap" ? evaluateSwap(bits, original) : evaluateExtend(op, bits, original);
  return BigInt.asUintN(64, again) === BigInt.asUintN(64, value) ? original : null;
}

function sink(fn: Function, block: Block, phi: Instruction, operation: Unary): void {
  const merged: Instruction = { op: "phi", id: fn.nextId++, type: "int", args: [], span: phi.span };
  merged.args = phi.args.map((value, index) => {
    if (value.op !== "const") return value.args[0] as Value; // `operation` has one argument
    const original = undo(operation, value.value) ?? 0n; // `commonOperation` made sure
    const constant: Value = { op: "const", id: fn.nextId++, type: "int", args: [], value: original, span: value.span };
    (block.predecessors[index] as Block).instructions.push(constant);
    return constant;
  });
  // The phi's own object becomes the operation, so that its users need not be told.
  const rest = block.instructions.filter((instruction) => instruction !== phi);
  const after = rest.findIndex(({ op }) => op !== "phi");
  const at = after < 0 ? rest.length : after;
  Object.assign(phi, { op: operation.op, bits: operation.bits, args: [merged] });
  block.instructions = [merged, ...rest.slice(0, at), phi, ...rest.slice(at)];
}
