/** The programs that run against each other, in the kernel: ours as our compiler makes it, theirs at each level of clang. */
import { fileURLToPath } from "node:url";
import { type CompileOptions, compile } from "../src/compiler/compile.ts";
import { readElf } from "../src/object/elf/read.ts";
import { countSlots } from "../src/object/encoding.ts";
import type { ObjectSpec } from "../src/object/spec.ts";
import { loadSpec } from "../src/runtime/load.ts";
import type { LoadedObject } from "../src/runtime/loaded-object.ts";
import type { LoadedProgram } from "../src/runtime/program.ts";
import { VerifierError } from "../src/runtime/verifier-log.ts";
import { type Clang, compileC, LEVELS, type Level } from "./clang.ts";
import { CONDITIONS, type Conditions, fill } from "./conditions.ts";

/** The program's name in each file. */
const NAMES = {
  pass: "pass",
  drop: "drop",
  aborted: "aborted",
  echo: "echo",
  redirect: "xdp_redirect_func",
  "redirect-map": "xdp_redirect_map_func",
  "patch-ports": "xdp_patch_ports_func",
  "vlan-swap": "xdp_vlan_swap_func",
  tcpfilter: "tcpfilter",
  portfilter: "portfilter",
  "flow-counters": "rx",
  "protocol-counter": "xdp_prog1",
} as const;

/** A file in src/programs/, and in bench/c/. */
export type ProgramName = keyof typeof NAMES;
export const PROGRAMS = Object.keys(NAMES) as ProgramName[];

export function sourceOf(program: ProgramName): string {
  return fileURLToPath(new URL(`../src/programs/${program}.bpf.ts`, import.meta.url));
}

export interface Size {
  /** Slots of 8 bytes in the object, as the kernel counts them: a 64-bit constant takes two. */
  instructions: number;
  /** Bytes of machine code. */
  jitedBytes: number;
  /** Instructions that the verifier walked over, each as often as it did. */
  processed: number;
}

export interface Contender extends Disposable {
  object: LoadedObject;
  program: LoadedProgram;
  conditions: Conditions;
  size: Size;
}

export function loadOurs(program: ProgramName, conditions?: Conditions, options: CompileOptions = {}): Contender {
  return contender(program, compile(sourceOf(program), options).spec, conditions);
}

export interface Theirs extends Disposable {
  levels: Map<Level, Contender>;
  /** The level with the fewest instructions; between equals the one with less machine code. */
  best: Level;
  /** The least of each over the levels: ours has to beat the best that clang has, whichever level that is. */
  least: Size;
  /** Levels whose instructions this kernel does not know (v4 before Linux 6.6). */
  refused: Level[];
}

export function loadTheirs(program: ProgramName, clang: Clang, conditions?: Conditions): Theirs {
  const levels = new Map<Level, Contender>();
  const refused: Level[] = [];
  const close = () => {
    for (const each of levels.values()) each[Symbol.dispose]();
  };
  try {
    for (const level of LEVELS) {
      try {
        const spec = readElf(compileC(clang, program, level), `bench/c/${program}.c at ${level}`);
        levels.set(level, contender(program, spec, conditions));
      } catch (error) {
        if (!(error instanceof VerifierError) || level !== "v4") throw error;
        refused.push(level);
      }
    }
    const [first, ...others] = [...levels];
    if (first === undefined) throw new Error("no level of clang loaded");
    const best = others.reduce((a, b) => (isSmaller(b[1].size, a[1].size) ? b : a), first)[0];
    return { levels, best, least: leastOf([...levels.values()].map(({ size }) => size)), refused, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

function contender(file: ProgramName, spec: ObjectSpec, conditions: Conditions = CONDITIONS[file] ?? {}): Contender {
  const name = NAMES[file];
  const object = loadSpec(spec, { settings: conditions.settings ?? {} });
  try {
    fill(object, conditions);
    const program = object.program(name);
    const functions = spec.programs.find((each) => each.name === name)?.functions ?? [];
    const { jitedBytes, verifiedInstructions } = program.info();
    const instructions = functions.reduce((sum, fn) => sum + countSlots(fn.instructions), 0);
    const size = { instructions, jitedBytes, processed: verifiedInstructions };
    return { object, program, conditions, size, [Symbol.dispose]: () => object.close() };
  } catch (error) {
    object.close();
    throw error;
  }
}

function isSmaller(a: Size, b: Size): boolean {
  return a.instructions < b.instructions || (a.instructions === b.instructions && a.jitedBytes < b.jitedBytes);
}

function leastOf(sizes: readonly Size[]): Size {
  const least = (of: (size: Size) => number) => Math.min(...sizes.map(of));
  return {
    instructions: least((size) => size.instructions),
    jitedBytes: least((size) => size.jitedBytes),
    processed: least((size) => size.processed),
  };
}
