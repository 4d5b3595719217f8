/**
 * Which passes run, and in what order. Each is right alone and can be switched off; they run again and again until none finds
 * anything more to do, since each makes work for the others.
 */
import type { ConstantPool } from "../constant-pool.ts";
import type { Function } from "../ir/ir.ts";
import { validate } from "../ir/validate.ts";
import { advancePointers } from "./advance-pointers.ts";
import { carryPointers } from "./carry-pointers.ts";
import { exchangeNeighbours } from "./exchange-neighbours.ts";
import { foldBranches } from "./fold-branches.ts";
import { forwardLoads } from "./forward-loads.ts";
import { gatherConstants } from "./gather-constants.ts";
import { keepConstants } from "./keep-constants.ts";
import { mergeBlocks } from "./merge-blocks.ts";
import { mergeChecks } from "./merge-checks.ts";
import { mergeCopies } from "./merge-copies.ts";
import { mergeRanges } from "./merge-ranges.ts";
import { mergeStores } from "./merge-stores.ts";
import { mergeTests } from "./merge-tests.ts";
import { numberValues } from "./number-values.ts";
import { readContextEarly } from "./read-context-early.ts";
import { removeDead } from "./remove-dead.ts";
import { removeDeadStores } from "./remove-dead-stores.ts";
import { removeEmptyLoops } from "./remove-empty-loops.ts";
import { removeOverwritten } from "./remove-overwritten.ts";
import { removeTrivialPhis } from "./remove-trivial-phis.ts";
import { shareCopies } from "./share-copies.ts";
import { shareMiddles } from "./share-middles.ts";
import { shareSlots } from "./share-slots.ts";
import { simplify } from "./simplify.ts";
import { sinkOperations } from "./sink-operations.ts";
import { skipEmpty } from "./skip-empty.ts";
import { splitStores } from "./split-stores.ts";
import { threadJumps } from "./thread-jumps.ts";
import { useKnownConditions } from "./use-known-conditions.ts";
import { widenStores } from "./widen-stores.ts";

export interface Pass {
  name: string;
  /** One walk over the function. True when it changed anything. */
  run: (fn: Function, constants?: ConstantPool) => boolean;
  /** What it does, in a line. */
  description: string;
  /** Runs only when those of lower stages have nothing to do any more. 0 unless given. */
  stage?: 1 | 2;
}

export const PASSES: readonly Pass[] = [
  { name: "simplify", run: simplify, description: "computes constants and replaces operations by simpler ones" },
  { name: "gather-constants", run: gatherConstants, description: "keeps constants in one place" },
  { name: "number-values", run: numberValues, description: "computes equal things once" },
  { name: "forward-loads", run: forwardLoads, description: "reads memory once, and not what was just written" },
  { name: "split-stores", run: splitStores, description: "writes halves that were put together only to be written" },
  { name: "merge-copies", run: mergeCopies, description: "copies neighbouring bytes with wider loads and stores" },
  { name: "merge-stores", run: mergeStores, description: "writes neighbouring constants with wider stores" },
  { name: "use-known-conditions", run: useKnownConditions, description: "removes tests that follow from earlier ones" },
  { name: "thread-jumps", run: threadJumps, description: "leads paths past tests whose outcome they know" },
  { name: "fold-branches", run: foldBranches, description: "turns branches that can only go one way into jumps" },
  { name: "remove-trivial-phis", run: removeTrivialPhis, description: "removes merges of one value with itself" },
  { name: "sink-operations", run: sinkOperations, description: "swaps and extends once, after paths meet" },
  { name: "carry-pointers", run: carryPointers, description: "lets paths bring pointers instead of offsets" },
  { name: "remove-overwritten", run: removeOverwritten, description: "removes stores that others write over" },
  { name: "remove-dead-stores", run: removeDeadStores, description: "removes stores to the stack that nothing reads" },
  { name: "remove-dead", run: removeDead, description: "removes what nobody needs" },
  { name: "remove-empty-loops", run: removeEmptyLoops, description: "removes loops that leave nothing behind" },
  { name: "skip-empty", run: skipEmpty, description: "leads edges past blocks that do nothing" },
  { name: "merge-blocks", run: mergeBlocks, description: "joins blocks that always follow each other" },
  { name: "merge-checks", run: mergeChecks, description: "checks the packet's length once, for the farthest byte", stage: 1 },
  { name: "merge-ranges", run: mergeRanges, description: "tests for a range from 0 by one unsigned comparison", stage: 1 },
  { name: "merge-tests", run: mergeTests, description: "tests neighbouring fields at once", stage: 1 },
  { name: "widen-stores", run: widenStores, description: "writes a short number and the zeros behind it at once", stage: 1 },
  { name: "exchange-neighbours", run: exchangeNeighbours, description: "exchanges MAC addresses in wider pieces", stage: 1 },
  { name: "share-slots", run: shareSlots, description: "uses one place on the stack on paths that never meet", stage: 1 },
  { name: "share-copies", run: shareCopies, description: "keeps one copy of code that stands there twice", stage: 1 },
  {
    name: "share-middles",
    run: shareMiddles,
    description: "keeps one copy of what two paths do before they part again",
    stage: 2,
  },
  { name: "advance-pointers", run: advancePointers, description: "goes on from the pointer that was just checked", stage: 2 },
  {
    name: "read-context-early",
    run: readContextEarly,
    description: "reads the context before calls instead of keeping it",
    stage: 2,
  },
  { name: "keep-constants", run: keepConstants, description: "keeps constant keys and values in read-only data", stage: 2 },
];

/** Enough for every program seen; a function that is not done by then is right, only not as small as it could be. */
const MOST_ROUNDS = 24;

export interface OptimiseOptions {
  /** Names of passes that shall not run. */
  disabled?: readonly string[] | undefined;
  /** Check the function's laws after every pass. */
  validate?: boolean | undefined;
  /** Where constants in memory can be kept. */
  constants?: ConstantPool | undefined;
}

/**
 * Optimises `fn` in place. Returns the number of rounds that changed something.
 * @throws WirescriptError INTERNAL with `validate`, when a pass breaks the IR.
 */
export function optimise(fn: Function, options: OptimiseOptions = {}): number {
  const passes = PASSES.filter(({ name }) => !options.disabled?.includes(name));
  if (options.validate) validate(fn, "the front end");
  let changes = 0;
  /** By pass, the changes when it found nothing to do: it finds nothing again until there are more. */
  const done = new Map<Pass, number>();
  const runAll = (chosen: readonly Pass[]): boolean => {
    const before = changes;
    for (const pass of chosen) {
      if (done.get(pass) === changes) continue;
      if (!pass.run(fn, options.constants)) {
        done.set(pass, changes);
        continue;
      }
      changes++;
      if (options.validate) validate(fn, pass.name);
    }
    return changes > before;
  };
  const stages = [0, 1, 2].map((stage) => passes.filter((pass) => (pass.stage ?? 0) === stage));
  for (let round = 0; round < MOST_ROUNDS; round++) {
    if (!stages.some(runAll)) return round;
  }
  return MOST_ROUNDS;
}
