/**
 * Which functions a program consists of, and what the kernel allows of chains of calls: 8 functions deep, and 512 bytes of stack
 * together. Functions that a helper calls back count like any other. Source: check_max_stack_depth of kernel/bpf/verifier.c.
 */
import type { Instruction } from "../object/instruction.ts";
import type { LineSpec } from "../object/spec.ts";
import { STACK_LIMIT } from "./backend/frame.ts";
import type { SourceRange } from "./diagnostics/diagnostic.ts";
import { type Diagnostic, describe } from "./diagnostics/diagnostic.ts";

/** MAX_CALL_FRAMES */
const DEEPEST = 8;
/** Each frame is rounded up to this; kernels with a JIT round less. */
const FRAME_UNIT = 32;

export interface CompiledFunction {
  name: string;
  instructions: Instruction[];
  lines: LineSpec[];
  /** Its own, in bytes. */
  stackBytes: number;
  place: SourceRange;
}

/** The functions that `entry` reaches, by name, in the order of their first call; `null` when `find` does not have one of them. */
export function reachedFrom(
  entry: CompiledFunction,
  find: (name: string) => CompiledFunction | null,
): Map<string, CompiledFunction> | null {
  const reached = new Map<string, CompiledFunction>();
  const visit = (fn: CompiledFunction): boolean =>
    [...calledBy(fn)].every((name) => {
      if (reached.has(name)) return true;
      const callee = find(name);
      if (callee === null) return false;
      reached.set(name, callee);
      return visit(callee);
    });
  return visit(entry) ? reached : null;
}

function calledBy({ instructions }: CompiledFunction): Set<string> {
  return new Set(instructions.flatMap(({ reference }) => (reference?.kind === "function" ? [reference.name] : [])));
}

interface Chain {
  functions: CompiledFunction[];
  bytes: number;
}

/** What the kernel would refuse of the calls that begin in `entry`. */
export function callChainProblems(entry: CompiledFunction, reached: ReadonlyMap<string, CompiledFunction>): Diagnostic[] {
  const chains = new Map<CompiledFunction, { longest: Chain; largest: Chain }>();
  const from = (fn: CompiledFunction): { longest: Chain; largest: Chain } => {
    const known = chains.get(fn);
    if (known !== undefined) return known;
    const own = { functions: [fn], bytes: Math.ceil(Math.max(fn.stackBytes, 1) / FRAME_UNIT) * FRAME_UNIT };
    const result = { longest: own, largest: own };
    for (const name of calledBy(fn)) {
      const { longest, largest } = from(reached.get(name) as CompiledFunction); // all of them are reached
      if (longest.functions.length + 1 > result.longest.functions.length) result.longest = joined(own, longest);
      if (largest.bytes + own.bytes > result.largest.bytes) result.largest = joined(own, largest);
    }
    chains.set(fn, result);
    return result;
  };
  const { longest, largest } = from(entry);
  const { place } = entry;
  const depth = longest.functions.length;
  if (depth > DEEPEST) return [{ code: "WS4090", ...place, ...describe("WS4090", { depth, chain: textOf(longest) }) }];
  if (largest.bytes <= STACK_LIMIT) return [];
  const who = largest.functions.length === 1 ? `\`${entry.name}\`` : `The chain of calls ${textOf(largest)}`;
  return [{ code: "WS4001", ...place, ...describe("WS4001", { who, bytes: largest.bytes }) }];
}

function joined(first: Chain, rest: Chain): Chain {
  return { functions: [...first.functions, ...rest.functions], bytes: first.bytes + rest.bytes };
}

function textOf({ functions }: Chain): string {
  return functions.map(({ name }) => `\`${name}\``).join(" → ");
}
