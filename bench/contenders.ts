/** The programs that run against each other, in the kernel: ours as our compiler makes it, theirs at each level of clang. */
import { type CompileOptions, compile } from "../src/compiler/compile.ts";
import { readElf } from "../src/object/elf/read.ts";
import type { ObjectSpec } from "../src/object/spec.ts";
import { loadSpec } from "../src/runtime/load.ts";
import type { LoadedObject } from "../src/runtime/loaded-object.ts";
import type { LoadedProgram } from "../src/runtime/program.ts";
import { VerifierError } from "../src/runtime/verifier-log.ts";
import { type Clang, compileC, LEVELS, type Level, type Writing } from "./clang.ts";
import { CONDITIONS, type Conditions, fill } from "./conditions.ts";
import { executedFor, type Figures, figuresOf, leastOf } from "./figures.ts";
import { fileOf, PROGRAM_NAMES, type ProgramName, sourceOf } from "./programs.ts";
import { WORKLOADS } from "./workloads.ts";

export interface Contender extends Disposable {
  spec: ObjectSpec;
  object: LoadedObject;
  program: LoadedProgram;
  conditions: Conditions;
  figures: Figures;
  /** Instructions executed in each of the program's workloads, in their order. */
  paths: readonly number[];
}

export function loadOurs(program: ProgramName, conditions?: Conditions, options: CompileOptions = {}): Contender {
  return contender(program, compile(sourceOf(program), options).spec, conditions);
}

/** Another copy in the kernel, elsewhere in its memory, with maps of its own. */
export function loadAgain(program: ProgramName, { spec, conditions }: Contender): Contender {
  return contender(program, spec, conditions);
}

export interface Theirs extends Disposable {
  levels: Map<Level, Contender>;
  /** The level with the fewest instructions; between equals the one with less machine code. */
  best: Level;
  /** The least of each over the levels: ours has to beat the best that clang has, whichever level that is. */
  least: Figures;
  /** The least of each path over the levels. */
  leastPaths: readonly number[];
  /** Levels whose instructions this kernel does not know (v4 before Linux 6.6). */
  refused: Level[];
}

export function loadTheirs(
  program: ProgramName,
  clang: Clang,
  conditions?: Conditions,
  writing: Writing = "plain",
  wanted: readonly Level[] = LEVELS,
): Theirs {
  const levels = new Map<Level, Contender>();
  const refused: Level[] = [];
  const close = () => {
    for (const each of levels.values()) each[Symbol.dispose]();
  };
  try {
    for (const level of wanted) {
      try {
        const file = writing === "plain" ? fileOf(program) : program;
        const spec = readElf(compileC(clang, file, level, writing), `${file}.c (${writing}) at ${level}`);
        levels.set(level, contender(program, spec, conditions));
      } catch (error) {
        if (!(error instanceof VerifierError) || level !== "v4") throw error;
        refused.push(level);
      }
    }
    const [first, ...others] = [...levels];
    if (first === undefined) throw new Error("no level of clang loaded");
    const best = others.reduce((a, b) => (isSmaller(b[1].figures, a[1].figures) ? b : a), first)[0];
    const all = [...levels.values()];
    return {
      levels,
      best,
      least: leastOf(all.map(({ figures }) => figures)),
      leastPaths: first[1].paths.map((_, index) => Math.min(...all.map(({ paths }) => paths[index] ?? Number.NaN))),
      refused,
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function contender(file: ProgramName, spec: ObjectSpec, conditions: Conditions = CONDITIONS[file] ?? {}): Contender {
  const name = PROGRAM_NAMES[file];
  const packets = WORKLOADS.filter(({ program }) => program === file).map(({ packet }) => packet);
  const object = loadSpec(spec, { settings: conditions.settings ?? {} });
  try {
    fill(object, conditions);
    const program = object.program(name);
    const paths = executedFor(spec, name, conditions, packets);
    const figures = figuresOf(program, spec, paths);
    return { spec, object, program, conditions, figures, paths, [Symbol.dispose]: () => object.close() };
  } catch (error) {
    object.close();
    throw error;
  }
}

function isSmaller(a: Figures, b: Figures): boolean {
  return a.instructions < b.instructions || (a.instructions === b.instructions && a.jitedBytes < b.jitedBytes);
}
