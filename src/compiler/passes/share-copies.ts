/**
 * Keeps one copy of code that stands in the function twice, as when two paths call the same function: both paths go to the first copy
 * and bring along what differs, in phis. The copies must go on in the same places, and neither may lead to the other.
 *
 * Runs when the other passes are done: each copy may have become something better for what is known on its path.
 */
import { removeIncoming } from "../ir/edges.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { blocksBehind } from "../ir/order.ts";
import { commonSuffix, type Match, match } from "./sharing/match.ts";

/** A jump more on one path, and values that wait in registers, are worth that many instructions. */
const LEAST_GAIN = 4;
/** Pairs of blocks that are compared; functions with more are left as they are. */
const MOST_PAIRS = 4000;

/** True when any code was shared. */
export function shareCopies(fn: Function): boolean {
  let changed = false;
  for (let best = findBest(fn); best !== null; best = findBest(fn)) {
    share(fn, best);
    changed = true;
  }
  return changed;
}

function findBest(fn: Function): Match | null {
  let best: Match | null = null;
  let pairs = 0;
  const reachable = new Map<Block, Set<Block>>();
  const leadsTo = (from: Block, to: Block): boolean => {
    let known = reachable.get(from);
    if (known === undefined) {
      known = blocksBehind(from);
      reachable.set(from, known);
    }
    return known.has(to);
  };
  for (const [, group] of groupByEnd(fn)) {
    for (const [index, original] of group.entries()) {
      for (const copy of group.slice(index + 1)) {
        if (pairs++ > MOST_PAIRS) return best;
        const longest = commonSuffix(original, copy);
        if (longest === 0 || leadsTo(original, copy) || leadsTo(copy, original)) continue;
        for (let suffix = longest; suffix > 0; suffix--) {
          const found = match(original, copy, suffix);
          if (found === null || found.gain < LEAST_GAIN) continue;
          if (best === null || found.gain > best.gain) best = found;
        }
      }
    }
  }
  return best;
}

/** Only blocks whose last instructions are alike can be copies. */
function groupByEnd(fn: Function): Map<string, Block[]> {
  const groups = new Map<string, Block[]>();
  for (const block of fn.blocks.slice(1)) {
    const last = block.instructions.at(-1);
    if (last === undefined || last.op === "phi") continue;
    const key = `${last.op} ${block.terminator.op}`;
    groups.set(key, [...(groups.get(key) ?? []), block]);
  }
  return groups;
}

function share(fn: Function, { blocks, suffix, parameters, places }: Match): void {
  const [[original, copy]] = [...blocks] as [[Block, Block]]; // the entries come first
  const { span } = original.terminator;
  const shared: Block = {
    id: fn.nextId++,
    predecessors: [original, copy],
    instructions: original.instructions.splice(original.instructions.length - suffix),
    terminator: original.terminator,
  };
  copy.instructions.length -= suffix;
  const phis = new Map<unknown, Instruction>();
  for (const parameter of parameters) {
    const other = parameter.delta === 0 ? parameter.copy : moved(fn, copy, parameter.copy, parameter.delta);
    const { type } = parameter.original;
    phis.set(parameter, { op: "phi", id: fn.nextId++, type, args: [parameter.original, other], span: null });
  }
  for (const { user, index, parameter } of places) user.args[index] = phis.get(parameter) as Value;
  shared.instructions.unshift(...phis.values());

  // The copy's edges go, then the original's start in the shared block.
  const gone = new Set([...blocks.values()]);
  for (const block of gone) {
    for (const target of block.terminator.targets) {
      if (!gone.has(target)) removeIncoming(target, target.predecessors.indexOf(block));
    }
  }
  for (const target of shared.terminator.targets) {
    target.predecessors = target.predecessors.map((block) => (block === original ? shared : block));
  }
  for (const block of [original, copy]) block.terminator = { op: "jump", args: [], targets: [shared], span };
  gone.delete(copy);
  fn.blocks = fn.blocks.filter((block) => !gone.has(block));
  fn.blocks.splice(fn.blocks.indexOf(original) + 1, 0, shared);
}

/** `pointer` plus a constant, at the end of `block`. */
function moved(fn: Function, block: Block, pointer: Value, delta: number): Value {
  const step: Instruction = { op: "const", id: fn.nextId++, type: "int", args: [], value: BigInt(delta), span: null };
  const result: Instruction = { op: "add", id: fn.nextId++, type: "ptr", args: [pointer, step], span: null };
  block.instructions.push(step, result);
  return result;
}
