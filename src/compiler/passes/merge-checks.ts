/**
 * Checks once that the packet is long enough, for the farthest byte: a check behind which comes another, farther one from the same
 * pointer becomes that one, where the packet ends in the same place whichever of them fails, or any test between them.
 *
 *     if (p + 40 > end) goto out; if (u8[p + 6] != 58) goto out; if (p + 44 > end) goto out
 *     becomes
 *     if (p + 44 > end) goto out; if (u8[p + 6] != 58) goto out
 */
import { keepOnlyTarget, leadAlike } from "../ir/edges.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { hasSideEffect } from "../ir/ir.ts";
import { comparisonOf, type Reach, reachOf } from "./implication.ts";

/** The check that ends a block. */
interface Check {
  block: Block;
  reach: Reach;
  passes: 0 | 1;
}

const LONGEST_CHAIN = 16;

/** True when any checks were merged. */
export function mergeChecks(fn: Function): boolean {
  let changed = false;
  for (const block of fn.blocks) {
    const check = checkIn(block);
    const farther = check === null ? null : fartherCheck(check);
    if (check === null || farther === null) continue;
    checkFor(fn, check, farther.reach);
    keepOnlyTarget(farther.block, farther.passes);
    changed = true;
  }
  return changed;
}

function checkIn(block: Block): Check | null {
  const { terminator } = block;
  if (terminator.op !== "branch" || terminator.targets[0] === terminator.targets[1]) return null;
  const comparison = comparisonOf(terminator.args[0]);
  const reach = comparison === null ? null : reachOf(comparison);
  return reach === null ? null : { block, reach, passes: reach.isInside ? 0 : 1 };
}

/** The first check of more bytes that every packet comes to that does not fail before it. */
function fartherCheck(first: Check): Check | null {
  let [from, passes] = [first.block, first.passes];
  for (let count = 0; count < LONGEST_CHAIN; count++) {
    const block = from.terminator.targets[passes];
    if (block?.predecessors.length !== 1 || block.instructions.some((each) => each.op === "phi" || hasSideEffect(each)))
      return null;
    const { terminator } = block;
    if (terminator.op !== "branch") return null;
    const check = checkIn(block);
    if (check !== null && isFarther(check.reach, first.reach)) {
      return failsLike(first, block, check.passes) ? check : null;
    }
    const way = ([0, 1] as const).find((each) => failsLike(first, block, each));
    if (way === undefined || terminator.targets[0] === terminator.targets[1]) return null;
    [from, passes] = [block, way];
  }
  return null;
}

function isFarther(reach: Reach, than: Reach): boolean {
  return reach.pointer === than.pointer && reach.end === than.end && reach.bytes > than.bytes;
}

/** Does a packet that does not go on from `block` over edge `passes` end where `first` leads those that it fails? */
function failsLike(first: Check, block: Block, passes: 0 | 1): boolean {
  return leadAlike([first.block, 1 - first.passes], [block, 1 - passes]);
}

/** Makes `check` one for as many bytes as `reach` says. */
function checkFor(fn: Function, { block, passes }: Check, { pointer, bytes, end }: Reach): void {
  const { terminator } = block;
  if (terminator.op !== "branch") return;
  const { span } = terminator.args[0];
  const origin = (): { id: number; span: Instruction["span"] } => ({ id: fn.nextId++, span });
  const distance: Value = { op: "const", type: "int", args: [], value: bytes, ...origin() };
  const last: Value = { op: "add", type: "ptr", args: [pointer, distance], ...origin() };
  const condition: Value = { op: passes === 0 ? "ule" : "ugt", type: "bool", args: [last, end], ...origin() };
  block.instructions.push(distance, last, condition);
  terminator.args = [condition];
}
