/** What instruction selection knows about a function before it starts: which values are needed, and by whom. */
import type * as ir from "../ir/ir.ts";
import { hasSideEffect, isCompare } from "../ir/ir.ts";
import { constant } from "./facts.ts";

export type User = ir.Instruction | ir.Terminator;

export interface Uses {
  reachable: ReadonlySet<ir.Block>;
  /** Whether something that stays depends on the value. */
  isLive(value: ir.Value): boolean;
  /** Uses by live instructions; one entry per argument. */
  of(value: ir.Value): readonly User[];
  single(value: ir.Value): boolean;
  /** Whether a comparison must exist as 0 or 1: somebody other than branches (and negations, which are fused alike) reads it. */
  needsRegister(compare: ir.Value): boolean;
}

export function findUses(fn: ir.Function): Uses {
  const reachable = findReachable(fn);
  const live = new Set<ir.Value>();
  const users = new Map<ir.Value, User[]>();
  const waiting: ir.Value[] = [];
  const use = (value: ir.Value, user: User): void => {
    const list = users.get(value);
    if (list === undefined) users.set(value, [user]);
    else list.push(user);
    need(value);
  };
  const need = (value: ir.Value): void => {
    if (live.has(value)) return;
    live.add(value);
    waiting.push(value);
  };
  const home = new Map<ir.Value, ir.Block>();
  for (const block of fn.blocks) {
    if (!reachable.has(block)) continue;
    for (const instruction of block.instructions) {
      if (instruction.op === "phi") home.set(instruction, block);
      if (hasSideEffect(instruction)) need(instruction);
    }
    for (const argument of block.terminator.args) use(argument, block.terminator);
  }
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    const block = home.get(value);
    for (const [index, argument] of value.args.entries()) {
      const from = block?.predecessors[index];
      if (from === undefined || reachable.has(from)) use(argument, value);
    }
  }
  const of = (value: ir.Value): readonly User[] => users.get(value) ?? [];
  return {
    reachable,
    isLive: (value) => live.has(value),
    of,
    single: (value) => of(value).length === 1,
    needsRegister: (compare) => of(compare).some((user) => user.op !== "branch" && !isNegation(user)),
  };
}

/** `eq(x, 0)` and `ne(x, 0)`. */
export function isNegation(user: User): boolean {
  return isCompare(user.op as ir.Op) && (user.op === "eq" || user.op === "ne") && constant(user.args[1]) === 0n;
}

function findReachable(fn: ir.Function): Set<ir.Block> {
  const reachable = new Set<ir.Block>();
  const waiting = fn.blocks.slice(0, 1);
  for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
    if (reachable.has(block)) continue;
    reachable.add(block);
    const { terminator } = block;
    const condition = terminator.op === "branch" ? constant(terminator.args[0]) : null;
    if (condition === null) waiting.push(...terminator.targets);
    else waiting.push(terminator.targets[condition !== 0n ? 0 : 1] as ir.Block);
  }
  return reachable;
}
