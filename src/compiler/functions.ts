/**
 * From lowered functions to machine code: passes, long loops handed to the kernel, back end, and the kernel's limits. A program is its own
 * function, those that it calls, and those that the kernel calls for it.
 */
import { relative, resolve } from "node:path";
import type { FunctionSpec } from "../object/spec.ts";
import { StackOverflow } from "./backend/frame.ts";
import { type Cpu, type Generated, generate } from "./backend/generate.ts";
import { type CompiledFunction, callChainProblems, reachedFrom } from "./call-chains.ts";
import type { ConstantPool } from "./constant-pool.ts";
import { type Diagnostic, describe, type SourceRange } from "./diagnostics/diagnostic.ts";
import type { Function, Span } from "./ir/ir.ts";
import { readApart } from "./outline/apart.ts";
import { MOST_ROUNDS } from "./outline/callback.ts";
import { outlineLoops } from "./outline/outline-loops.ts";
import { optimise } from "./passes/pipeline.ts";
import { suitVerifier } from "./suit-verifier.ts";
import type { ModuleTypes } from "./types.ts";

/** BPF_COMPLEXITY_LIMIT_INSNS. */
const MOST_INSTRUCTIONS = 1_000_000;

/** A function as the front end gives it. */
export interface LoweredFunction {
  function: Function;
  /** Where it is declared, for messages about all of it. */
  place: SourceRange;
}

export interface CodeOptions {
  cpu: Cpu;
  disabled: readonly string[];
  /** Source files are named as seen from here, so that a module gives the same object from wherever it is compiled. */
  folder: string;
  /** Absent where a module may have no data: direct addresses of values are of Linux 5.2. */
  constants: ConstantPool | undefined;
  /** How often the verifier walks each function of the module, where that is not once. */
  walks: ReadonlyMap<string, number>;
}

export class Code {
  /** Optimised, in the order in which they were added; loops' bodies behind the functions that they were in. */
  readonly functions: Function[] = [];
  readonly problems: Diagnostic[] = [];
  readonly #types: ModuleTypes;
  readonly #options: CodeOptions;
  readonly #compiled = new Map<string, CompiledFunction>();
  readonly #specs = new Map<CompiledFunction, FunctionSpec>();
  /** Functions that call `bpf_loop`, directly or not. */
  readonly #looping = new Set<string>();
  readonly #typeIds = new Map<CompiledFunction, () => number>();

  constructor(types: ModuleTypes, options: CodeOptions) {
    this.#types = types;
    this.#options = options;
  }

  /** Compiles a function, after those that it calls. `typeId` gives its type in BTF, when it is part of a program. */
  add({ function: fn, place }: LoweredFunction, typeId: () => number): void {
    const longest = longestLoop(fn);
    const { constants } = this.#options;
    const options = { disabled: [...this.#options.disabled], constants };
    optimise(fn, options);
    const { callbacks, refused } = outlineLoops(fn, longest, this.#looping, this.#options.walks.get(fn.name));
    if (callbacks.length > 0 || callsOneOf(fn, this.#looping)) this.#looping.add(fn.name);
    for (const { span, reason } of refused) {
      const at = span === null ? place : rangeOf(span);
      this.problems.push({ code: "WS2096", ...at, ...describe("WS2096", { reason }) });
    }
    if (callbacks.length > 0) optimise(fn, options);
    this.#generate(fn, place, typeId);
    for (const { function: callback, tied, lasting } of callbacks) {
      optimise(callback, options);
      readApart(callback, tied);
      this.#generate(callback, place, () => this.#types.callback(callback.name), lasting);
    }
  }

  /** The functions of the program `name`, its own first; none when `problems` says why one of them was not compiled. */
  program(name: string): FunctionSpec[] {
    const entry = this.#find(name);
    const reached = entry === null ? null : reachedFrom(entry, (callee) => this.#find(callee));
    if (entry === null || reached === null) return [];
    this.problems.push(...callChainProblems(entry, reached));
    return [entry, ...reached.values()].map((fn) => this.#spec(fn));
  }

  /** `null` when it exceeds a limit. */
  #find(name: string): CompiledFunction | null {
    const found = this.#compiled.get(name) ?? null;
    if (found === null && this.problems.length === 0) throw new Error(`${name} was not compiled`);
    return found;
  }

  /** One for each function, shared by all programs. */
  #spec(fn: CompiledFunction): FunctionSpec {
    const { name, instructions } = fn;
    const { folder } = this.#options;
    const lines = fn.lines.map((line) => ({ ...line, file: relative(folder, line.file) }));
    // The kernel and libbpf want a line at the start of each function, or none in any.
    if (lines[0]?.slot !== 0) {
      const { file, line, column, text } = fn.place;
      lines.unshift({
        slot: 0,
        file: relative(folder, resolve(file)),
        line: Math.max(1, line),
        column: Math.max(1, column),
        text: text.trim(),
      });
    }
    const spec = this.#specs.get(fn) ?? { name, instructions, typeId: this.#typeIds.get(fn)?.() ?? 0, lines };
    this.#specs.set(fn, spec);
    return spec;
  }

  #generate(fn: Function, place: SourceRange, typeId: () => number, lasting?: ReadonlySet<number>): void {
    suitVerifier(fn);
    this.functions.push(fn);
    const generated = this.#withinLimits(fn, place, lasting);
    if (generated === null) return;
    const compiled = { name: fn.name, place, ...generated };
    this.#compiled.set(fn.name, compiled);
    this.#typeIds.set(compiled, typeId);
  }

  #withinLimits(fn: Function, place: SourceRange, lasting: ReadonlySet<number> | undefined): Generated | null {
    try {
      const generated = generate(fn, { cpu: this.#options.cpu, lasting });
      const count = generated.instructions.length;
      if (count <= MOST_INSTRUCTIONS) return generated;
      this.problems.push({ code: "WS4004", ...place, ...describe("WS4004", { count }) });
    } catch (error) {
      if (!(error instanceof StackOverflow)) throw error;
      this.problems.push({ code: "WS4001", ...place, ...describe("WS4001", { who: `\`${fn.name}\``, bytes: error.bytes }) });
    }
    return null;
  }
}

function rangeOf({ file, line, column, text }: Span): SourceRange {
  return { file, line, column, endLine: line, endColumn: text.length + 1, text };
}

/** How many rounds a loop of `fn` begins at most, whatever becomes of its loops: all may stand in each other, and become one. */
function longestLoop({ blocks }: Function): number {
  const rounds = blocks.flatMap(({ instructions }) => instructions.flatMap(({ rounds }) => rounds ?? []));
  return rounds.length === 0 ? MOST_ROUNDS : rounds.reduce((product, each) => Math.min(product * each, MOST_ROUNDS), 1);
}

function callsOneOf(fn: Function, names: ReadonlySet<string>): boolean {
  return fn.blocks.some(({ instructions }) => instructions.some((each) => each.op === "call" && names.has(each.callee ?? "")));
}
