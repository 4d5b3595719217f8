/**
 * What is done to a function last, behind the passes, for the verifier's sake: its states are kept few, and what it has learned of a number stays
 * with the number. The code does the same with and without.
 */
import { compareCopies } from "./backend/compare-copies.ts";
import type { Function } from "./ir/ir.ts";
import { computeFlags } from "./outline/compute-flags.ts";
import { forgetFlags } from "./outline/forget-flags.ts";
import { forgetOffsets } from "./outline/forget-offsets.ts";

export function suitVerifier(fn: Function): void {
  forgetOffsets(fn);
  computeFlags(fn);
  forgetFlags(fn);
  compareCopies(fn);
}
