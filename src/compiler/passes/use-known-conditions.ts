/**
 * Removes tests whose outcome is known, because every path to them has passed the same test or a stronger one: a second null check,
 * or a bounds check for 14 bytes after one for 34.
 */
import { Dominators } from "../ir/dominators.ts";
import { keepOnlyTarget, removeUnreachable } from "../ir/edges.ts";
import type { Function } from "../ir/ir.ts";
import { reversePostorder } from "../ir/order.ts";
import { decideIn } from "./known-facts.ts";

/** True when any test went. */
export function useKnownConditions(fn: Function): boolean {
  const dominators = new Dominators(fn);
  // All questions are answered before any edge goes: facts hold for the function as it was.
  const known = dominators.order.flatMap((block) => {
    const { terminator } = block;
    if (terminator.op !== "branch" || terminator.targets[0] === terminator.targets[1]) return [];
    const outcome = decideIn(block, terminator.args[0], dominators);
    return outcome === null ? [] : [{ block, outcome }];
  });
  for (const { block, outcome } of known) keepOnlyTarget(block, outcome ? 0 : 1);
  if (known.length > 0) removeUnreachable(fn, new Set(reversePostorder(fn)));
  return known.length > 0;
}
