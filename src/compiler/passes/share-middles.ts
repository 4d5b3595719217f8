/**
 * Keeps one copy of code that two paths have in their middle, as when the lookup for IPv4 and the one for IPv6 differ in what they
 * ask and in what they do with the answer: both paths go to the first copy, bring along which of them they are, and part again behind
 * it. The verifier knows that number on each path, so it takes no way that does not exist.
 *
 * Not in loops, and not where ring buffers' records are held: what is known of one path would mix with the other's.
 */
import { HELPER } from "../../object/helpers.ts";
import { blockOf } from "../ir/block-of.ts";
import { Dominators } from "../ir/dominators.ts";
import type { Block, Function, Instruction, Value } from "../ir/ir.ts";
import { blocksBehind } from "../ir/order.ts";
import { rejoin } from "../ir/rejoin.ts";
import { Replacements } from "../ir/uses.ts";
import { findBest } from "./sharing/find.ts";
import { join } from "./sharing/join.ts";
import { type Exit, type Match, matchUntilTheyPart } from "./sharing/match.ts";
import { neededBehind } from "./sharing/needed-behind.ts";

/** Beyond what the values cost: the number is made on both paths, waits in a register, and is compared. */
const LEAST_GAIN = 9;
/** Values that only wait while the shared code runs. More would be spilled. */
const MOST_WAITING = 2;

/** A match and what both sides need behind it. */
interface Found {
  match: Match;
  exit: Exit;
  needed: Needed;
}

interface Needed {
  original: Instruction[];
  copy: Instruction[];
  /** Of those that are no parameters of the match, which take one place while they wait. */
  waiting: Pair[];
}

/** At least one is there. */
type Pair = readonly [original: Instruction | undefined, copy: Instruction | undefined];

/** True when any code was shared. */
export function shareMiddles(fn: Function): boolean {
  if (fn.blocks.some(({ instructions }) => instructions.some(isReservation))) return false;
  let changed = false;
  for (let found = find(fn); found !== null; found = find(fn)) {
    share(fn, found);
    changed = true;
  }
  return changed;
}

function isReservation(instruction: Instruction): boolean {
  return instruction.op === "call" && instruction.helper === HELPER.ringbuf_reserve;
}

function find(fn: Function): Found | null {
  const dominators = new Dominators(fn);
  const found = new Map<Match, Found>();
  const compare = (original: Block, copy: Block, suffix: number): Match | null => {
    const match = matchUntilTheyPart(original, copy, suffix);
    if (match === null || match.exit === null || match.gain < LEAST_GAIN) return null;
    if (blocksBehind(original).has(original) || blocksBehind(copy).has(copy)) return null;
    const needed = neededBoth(fn, match, match.exit, original, copy, dominators);
    if (needed === null) return null;
    found.set(match, { match, exit: match.exit, needed });
    return match;
  };
  const best = findBest(fn, compare, LEAST_GAIN);
  return best === null ? null : (found.get(best) ?? null);
}

function neededBoth(
  fn: Function,
  match: Match,
  exit: Exit,
  original: Block,
  copy: Block,
  dominators: Dominators,
): Needed | null {
  const twin = match.blocks.get(exit.block) as Block; // an exit is in a matched block
  const isOwn = (entry: Block, other: Block) => (home: Block) =>
    dominators.dominates(home, entry) && !dominators.dominates(home, other);
  const inside = new Set<Value>([...match.values.keys(), ...match.values.values()]);
  const needed = {
    original: neededBehind(fn, exit.block, exit, inside, isOwn(original, copy)),
    copy: neededBehind(fn, twin, exit, inside, isOwn(copy, original)),
  };
  if ([...needed.original, ...needed.copy].some(({ type, op }) => type === "bool" || op === "const" || isPlace(op)))
    return null;
  const isParameter = (side: "original" | "copy", value: Value): boolean =>
    match.parameters.some((parameter) => parameter.delta === 0 && parameter[side] === value);
  const waiting = pairs(
    needed.original.filter((value) => !isParameter("original", value)),
    needed.copy.filter((value) => !isParameter("copy", value)),
  );
  return waiting === null || waiting.length > MOST_WAITING ? null : { ...needed, waiting };
}

/** Addresses that the verifier wants to see made on each path. */
function isPlace(op: Instruction["op"]): boolean {
  return op === "map" || op === "slot" || op === "data" || op === "context" || op === "function";
}

/** `null` when a pointer is left over: nothing can stand for it on the other path. */
function pairs(original: readonly Instruction[], copy: readonly Instruction[]): Pair[] | null {
  const of = (values: readonly Instruction[], type: "int" | "ptr"): Instruction[] =>
    values.filter((value) => value.type === type);
  const pointers = [of(original, "ptr"), of(copy, "ptr")] as const;
  if (pointers[0].length !== pointers[1].length) return null;
  const numbers = [of(original, "int"), of(copy, "int")] as const;
  return [pointers, numbers].flatMap(([left, right]) =>
    Array.from({ length: Math.max(left.length, right.length) }, (_, index): Pair => [left[index], right[index]]),
  );
}

function share(fn: Function, { match, exit, needed }: Found): void {
  const [[original, copy]] = [...match.blocks] as [[Block, Block]]; // the entries come first
  const twin = match.blocks.get(exit.block) as Block; // it was matched
  if (exit.kind === "inside") {
    for (const block of [exit.block, twin]) splitBefore(fn, block, exit.at);
  }
  const which = exit.kind === "inside" ? 0 : exit.which;
  const [target, other] = [exit.block, twin].map(({ terminator }) => terminator.targets[which]) as [Block, Block];
  const selector = phi(fn, "int", constant(fn, original, 1n, match.suffix), constant(fn, copy, 0n, match.suffix));
  const waiting = needed.waiting.map(([left, right]) => ({
    pair: [left, right] as const,
    phi: phi(
      fn,
      (left ?? right)?.type ?? "int",
      left ?? constant(fn, original, 0n, match.suffix),
      right ?? constant(fn, copy, 0n, match.suffix),
    ),
  }));
  const { shared, phis } = join(fn, { ...match, exit: { kind: "edge", block: exit.block, which } });
  shared.instructions.unshift(selector, ...waiting.map(({ phi: made }) => made));

  const from = exit.block === original ? shared : exit.block;
  part(fn, from, which, selector, [target, other], [from, twin]);
  const renamed = new Replacements();
  for (const [value, by] of match.values) renamed.set(value, by);
  renamed.apply(fn);

  const standsFor = (value: Instruction): Instruction | undefined => {
    const parameter = match.parameters.find(
      ({ original: left, copy: right, delta }) => delta === 0 && (left === value || right === value),
    );
    if (parameter !== undefined) return phis.get(parameter);
    return waiting.find(({ pair }) => pair.includes(value))?.phi;
  };
  for (const value of [...needed.original, ...needed.copy]) {
    rejoin(
      fn,
      value,
      new Map([
        [blockOf(fn, value), value],
        [shared, standsFor(value) as Instruction],
      ]),
    );
  }
}

/** Ends `from`, instead of in target number `which`, in a branch to one of `targets`. `before` are those that led to them. */
function part(
  fn: Function,
  from: Block,
  which: number,
  selector: Instruction,
  targets: [Block, Block],
  before: readonly [Block, Block],
): void {
  const { span } = from.terminator;
  const zero: Instruction = { op: "const", id: fn.nextId++, type: "int", args: [], value: 0n, span: null };
  const isFirst: Instruction = { op: "ne", id: fn.nextId++, type: "bool", args: [selector, zero], span };
  const parting: Block = {
    id: fn.nextId++,
    predecessors: [from],
    instructions: [zero, isFirst],
    terminator: { op: "branch", args: [isFirst], targets, span },
  };
  for (const [index, target] of targets.entries()) {
    target.predecessors[target.predecessors.indexOf(before[index] as Block)] = parting;
  }
  from.terminator.targets[which] = parting;
  fn.blocks.splice(fn.blocks.indexOf(from) + 1, 0, parting);
}

/** Moves what `block` does from instruction `at` on to a block of its own. */
function splitBefore(fn: Function, block: Block, at: number): void {
  const { terminator } = block;
  const rest: Block = { id: fn.nextId++, predecessors: [block], instructions: block.instructions.splice(at), terminator };
  for (const target of terminator.targets) {
    target.predecessors = target.predecessors.map((each) => (each === block ? rest : each));
  }
  block.terminator = { op: "jump", args: [], targets: [rest], span: terminator.span };
  fn.blocks.splice(fn.blocks.indexOf(block) + 1, 0, rest);
}

/** A constant in `block`, ahead of its last `suffix` instructions. */
function constant(fn: Function, block: Block, value: bigint, suffix: number): Instruction {
  const made: Instruction = { op: "const", id: fn.nextId++, type: "int", args: [], value, span: null };
  block.instructions.splice(block.instructions.length - suffix, 0, made);
  return made;
}

function phi(fn: Function, type: Instruction["type"], left: Value, right: Value): Instruction {
  return { op: "phi", id: fn.nextId++, type, args: [left, right], span: null };
}
