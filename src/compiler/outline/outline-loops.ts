/** Decides which loops the verifier can walk round by round, and hands the others to the kernel's `bpf_loop`. */
import { HELPER } from "../../object/helpers.ts";
import { Dominators } from "../ir/dominators.ts";
import { phisOf } from "../ir/edges.ts";
import { type Block, type Function, isBinary, type Span, type Value } from "../ir/ir.ts";
import { exitsOf, findLoops, type NaturalLoop } from "../ir/loops.ts";
import { upperBound } from "../ir/range.ts";
import { removeTrivialPhis } from "../passes/remove-trivial-phis.ts";
import { type Callback, MOST_ROUNDS, outline } from "./callback.ts";
import { declaredRounds } from "./counters.ts";
import { decisiveValues } from "./decisive.ts";
import { gatheredStates } from "./gathering.ts";
import { recordOver } from "./held-records.ts";

/** Instructions that the verifier may walk for one loop. Of its million, since loops add up and an estimate is one. */
const WALK_BUDGET = 4_000;
/** The same for a loop that gathers (`gathering.ts`), when the program has no other: then nothing adds up. */
const GATHERING_BUDGET = 40_000;
/** More doublings than this are too many, however small the loop is. */
const MOST_DOUBLINGS = 24;

export interface Outlined {
  callbacks: Callback[];
  /** Loops that are too long for the verifier and cannot be handed over. */
  refused: { span: Span | null; reason: string }[];
}

/**
 * Outlines the loops of `fn`. `longest` is how many rounds a loop begins at most, for those of which nothing else is known; `looping` are the
 * subprograms that call `bpf_loop`; `walks` is how often the verifier walks `fn`.
 */
export function outlineLoops(fn: Function, longest: number, looping: ReadonlySet<string>, walks = 1): Outlined {
  const budget = WALK_BUDGET / walks;
  const callbacks: Callback[] = [];
  const refused: Outlined["refused"] = [];
  const refusedHeaders = new Set<Block>();
  const alone = walks === 1 && isOnlyLoop(fn);
  for (let loop = next(fn); loop !== null; loop = next(fn)) {
    const { header } = loop;
    const reason = [...loop.blocks].some(leavesProgram) ? "it calls `tailCall`" : recordOver(fn, loop);
    if (reason !== null) {
      refused.push({ span: spanOf(header), reason });
      refusedHeaders.add(header);
      continue;
    }
    const name = `${fn.name}_loop${callbacks.length + 1}`;
    callbacks.push(outline(fn, loop, name, roundsOf(loop)));
  }
  return { callbacks, refused };

  /** The verifier comes back from such a call several times, and remembers too little about each time to see that it was there. */
  function containsLoopCall({ instructions }: Block): boolean {
    return instructions.some((each) => each.op === "call" && (each.helper === HELPER.loop || looping.has(each.callee ?? "")));
  }

  function next(within: Function): NaturalLoop | null {
    // What is the same in every round needs no place for what changes: there the verifier would forget what it knows of it.
    while (removeTrivialPhis(within));
    const decisive = decisiveValues(within);
    const find = (loops: readonly NaturalLoop[]): NaturalLoop | null => {
      for (const loop of loops) {
        const inner = find(loop.inner);
        if (inner !== null) return inner;
        if (refusedHeaders.has(loop.header) || walk(loop, decisive, within) <= budget) continue;
        if (!alone || gathers(loop, decisive, within) > GATHERING_BUDGET) return loop;
      }
      return null;
    };
    return find(findLoops(new Dominators(within)));
  }

  function roundsOf(loop: NaturalLoop): number {
    return Math.min(declaredRounds(loop) ?? countedRounds(loop.header) ?? longest, MOST_ROUNDS);
  }

  /** As `walk`, for a loop that gathers; infinitely many for others. */
  function gathers(loop: NaturalLoop, decisive: ReadonlySet<Value>, within: Function): number {
    const branches = [...loop.blocks].filter(({ terminator }) => terminator.targets.length === 2);
    const inside = branches.filter(({ terminator }) => staysInside(terminator.targets, loop));
    if (inside.some(({ terminator }) => narrowsForLater(terminator.args[0], loop))) return Number.POSITIVE_INFINITY;
    const carried = phisOf(loop.header).filter((phi) => decisive.has(phi) && !isCounter(phi));
    const rounds = roundsOf(loop);
    const states = gatheredStates(loop, carried, rounds) * reachesOf(loop, rounds);
    const size = [...loop.blocks].reduce((sum, { instructions }) => sum + instructions.length + 1, 0);
    return states * (size * Math.max(inside.length, 1) + sizeOf(within));
  }

  /** About how many instructions the verifier walks. */
  function walk(loop: NaturalLoop, decisive: ReadonlySet<Value>, within: Function): number {
    const rounds = roundsOf(loop);
    const inner = loop.inner.reduce((sum, each) => sum + walk(each, decisive, within), 0);
    const own = [...loop.blocks].filter((block) => !loop.inner.some(({ blocks }) => blocks.has(block)));
    const size = own.reduce((sum, block) => sum + block.instructions.length + 1, 0) + inner;
    // Where paths meet that bring different numbers, each may go on on its own.
    const meetings = own.filter((block) => block !== loop.header && isMeeting(block, decisive)).length;
    const branches = own.filter(({ terminator }) => terminator.targets.length === 2 && staysInside(terminator.targets, loop));
    if (branches.length === 0 && !own.some(containsLoopCall)) return rounds * size;
    const remembers =
      phisOf(loop.header).some((phi) => decisive.has(phi) && !isCounter(phi)) ||
      branches.some(({ terminator }) => narrowsForLater(terminator.args[0], loop));
    const doublings = remembers || own.some(containsLoopCall) ? Math.max(branches.length, 1) * rounds : meetings;
    // Each round may leave, and what comes behind the loop is walked with each number that it brings.
    const behind = remembers && exitsOf(loop).length > 1 ? rounds * sizeOf(within) : 0;
    return rounds * size * 2 ** Math.min(doublings, MOST_DOUBLINGS) * reachesOf(loop, rounds) + behind;
  }
}

/**
 * How many lengths of the packet the rounds may have found out, each of which the verifier goes on with: a check whose distance from a pointer
 * changes from round to round, in numbers that the verifier knows, tells it another one each time that it passes. Where every round asks for it and
 * one that fails leaves, all rounds know the same.
 */
function reachesOf(loop: NaturalLoop, rounds: number): number {
  const { blocks } = loop;
  const checks = [...blocks].filter(({ terminator }) => terminator.targets.length === 2);
  const branches = checks.filter((block) => staysInside(block.terminator.targets, loop) || isSkipped(block, loop));
  const inside = new Set([...blocks].flatMap(({ instructions }) => instructions));
  const distances = branches.flatMap(({ terminator }) => {
    const [address] = terminator.args[0]?.args ?? [];
    const distance = address?.op === "add" && address.type === "ptr" ? distanceOf(address) : null;
    return distance !== null && isCounted(distance, inside, DEEPEST) ? [distance] : [];
  });
  return distances.reduce((most, each) => Math.max(most, Math.min(rounds, Number(upperBound(each)) + 1)), 1);
}

/** What is added to a pointer, constants aside. */
function distanceOf(address: Value): Value | null {
  const [base, distance] = address.args;
  if (address.op !== "add" || base === undefined || distance === undefined) return null;
  return distance.op === "const" ? distanceOf(base) : distance;
}

const DEEPEST = 10;

/** Made of constants, settings and counters of the loop alone, by operations through which the verifier follows a number. */
function isCounted(value: Value, inside: ReadonlySet<Value>, depth: number): boolean {
  const [base] = value.args;
  if (value.op === "const" || (value.op === "load" && base?.op === "data" && base.section === ".rodata")) return true;
  if (depth === 0 || !inside.has(value)) return false;
  if (value.op === "phi") return isCounter(value);
  return (
    (isBinary(value.op) || value.op === "zext" || value.op === "sext") &&
    value.args.every((each) => isCounted(each, inside, depth - 1))
  );
}

function sizeOf({ blocks }: Function): number {
  return blocks.reduce((sum, { instructions }) => sum + instructions.length + 1, 0);
}

function staysInside(targets: readonly Block[], { blocks }: NaturalLoop): boolean {
  return targets.every((target) => blocks.has(target));
}

/**
 * Does the branch tell the verifier something new, in every round, about a number that is the same in all of them? It then goes on with as many
 * ranges of that number as there are rounds.
 */
function narrowsForLater(condition: Value | undefined, { blocks }: NaturalLoop): boolean {
  const changes = (value: Value): boolean => [...blocks].some((block) => block.instructions.includes(value));
  const [left, right] = condition?.args ?? [];
  if (left === undefined || right === undefined || left.op === "const" || right.op === "const") return false;
  return left.type !== "ptr" && changes(left) !== changes(right);
}

/** Is there a round that does not come through `block`? */
function isSkipped(block: Block, { header, blocks, latches }: NaturalLoop): boolean {
  if (block === header) return false;
  const seen = new Set([header]);
  for (const each of seen) {
    if (latches.includes(each)) return true;
    for (const target of each.terminator.targets) if (blocks.has(target) && target !== block) seen.add(target);
  }
  return false;
}

function isMeeting(block: Block, decisive: ReadonlySet<Value>): boolean {
  return block.predecessors.length > 1 && phisOf(block).some((phi) => decisive.has(phi));
}

/** Changes by a constant in every round, whatever the path. */
function isCounter(phi: Value): boolean {
  return phi.args.some(
    (argument) => argument.op === "add" && argument.args.includes(phi) && argument.args.some(({ op }) => op === "const"),
  );
}

/** How often a loop runs that ends when its counter has reached a constant, after each round. */
function countedRounds(header: Block): number | null {
  for (const phi of phisOf(header)) {
    const next = phi.args.find((argument) => argument.op === "add" && argument.args[0] === phi);
    const step = next?.args[1];
    const starts = phi.args.filter((argument) => argument !== next);
    const [start] = starts;
    if (start?.op !== "const" || step?.op !== "const" || step.value <= 0n || starts.length !== 1) continue;
    for (const latch of header.predecessors) {
      const [condition] = latch.terminator.args;
      const [left, limit] = condition?.args ?? [];
      if (condition?.op !== "ult" || left !== next || limit?.op !== "const") continue;
      return Math.max(1, Number((limit.value - start.value + step.value - 1n) / step.value));
    }
  }
  return null;
}

/** Of a program, not a part of one: that calls no subprograms and is none. */
function isOnlyLoop(fn: Function): boolean {
  const part = fn.blocks.some(({ instructions }) =>
    instructions.some((each) => each.op === "argument" || (each.op === "call" && each.callee !== undefined)),
  );
  const [loop, ...others] = findLoops(new Dominators(fn));
  return !part && loop !== undefined && others.length === 0 && loop.inner.length === 0;
}

function leavesProgram({ instructions }: Block): boolean {
  return instructions.some((instruction) => instruction.op === "call" && instruction.helper === HELPER.tail_call);
}

function spanOf({ instructions, terminator }: Block): Span | null {
  return instructions.find(({ span }) => span !== null)?.span ?? terminator.span;
}
