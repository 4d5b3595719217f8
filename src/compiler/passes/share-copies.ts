/**
 * Keeps one copy of code that stands in the function twice, as when two paths call the same function: both paths go to the first copy
 * and bring along what differs, in phis. The copies must go on in the same places, and neither may lead to the other.
 *
 * Runs when the other passes are done: each copy may have become something better for what is known on its path.
 */
import type { Function } from "../ir/ir.ts";
import { findBest } from "./sharing/find.ts";
import { join } from "./sharing/join.ts";
import { type Match, match } from "./sharing/match.ts";

/** A jump more on one path, and values that wait in registers, are worth that many instructions. */
const LEAST_GAIN = 4;

/** True when any code was shared. */
export function shareCopies(fn: Function): boolean {
  let changed = false;
  for (let best = find(fn); best !== null; best = find(fn)) {
    join(fn, best);
    changed = true;
  }
  return changed;
}

function find(fn: Function): Match | null {
  return findBest(fn, match, LEAST_GAIN);
}
