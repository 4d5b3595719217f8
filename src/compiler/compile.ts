/**
 * Source → ObjectSpec: front end, passes, back end, types. Deterministic, and without a system call but reading files.
 *
 * TypeScript is imported here and below `frontend/`: import this module dynamically where production must not load a compiler.
 */
import { dirname, relative, resolve } from "node:path";
import {
  type DataSpec,
  type FunctionSpec,
  type LineSpec,
  MAP_TYPE,
  type MapSpec,
  type ObjectSpec,
  type ProgramSpec,
} from "../object/spec.ts";
import { StackOverflow } from "./backend/frame.ts";
import { type Cpu, type Generated, generate } from "./backend/generate.ts";
import { type CompiledFunction, callChainProblems, reachedFrom } from "./call-chains.ts";
import { CompileError, type Diagnostic, describe } from "./diagnostics/diagnostic.ts";
import { type LoweredModule, type LoweredProgram, lowerModule } from "./frontend/lower.ts";
import { isStackExhausted } from "./frontend/reporter.ts";
import { readSource } from "./frontend/source.ts";
import type { Subprogram } from "./frontend/subprograms.ts";
import type { MapDeclaration } from "./frontend/values.ts";
import type { Function } from "./ir/ir.ts";
import { optimise } from "./passes/pipeline.ts";
import { ModuleTypes } from "./types.ts";

export interface CompileOptions {
  /** Instruction set of the target: what `clang -mcpu` calls v1 to v4. 3 unless given; every kernel from 5.1 on has it. */
  cpu?: Cpu;
  /** Passes to leave out, by name. */
  disabledPasses?: readonly string[];
  /** Texts for files that are not on disk, by absolute path. */
  overlay?: ReadonlyMap<string, string>;
}

export interface Compilation {
  spec: ObjectSpec;
  /** The optimised IR of each program: what the back end read. */
  functions: Function[];
  /** Every file that was read, for caching. */
  files: string[];
}

/** BPF_COMPLEXITY_LIMIT_INSNS. */
const MOST_INSTRUCTIONS = 1_000_000;

/**
 * Compiles the kernel module at `path`.
 *
 * @throws CompileError with everything that is wrong with it; WirescriptError BAD_FILE when it cannot be read.
 */
export function compile(path: string, options: CompileOptions = {}): Compilation {
  try {
    return compileModule(path, options);
  } catch (error) {
    if (!isStackExhausted(error)) throw error;
    const nowhere = { file: path, line: 0, column: 0, endLine: 0, endColumn: 0, text: "" };
    throw new CompileError([{ code: "WS4005", ...nowhere, ...describe("WS4005") }]);
  }
}

function compileModule(path: string, options: CompileOptions): Compilation {
  const source = readSource(path, options.overlay);
  const module = lowerModule(source);
  if (module.diagnostics.length > 0) throw new CompileError(module.diagnostics);

  const types = new ModuleTypes();
  const maps = module.maps.map((map) => mapSpec(types, map));
  const functions: Function[] = [];
  const problems: Diagnostic[] = [];
  const compiled = (lowered: LoweredProgram | Subprogram): CompiledFunction | null => {
    optimise(lowered.function, { disabled: [...(options.disabledPasses ?? [])] });
    functions.push(lowered.function);
    const result = generateWithinLimits(lowered, options.cpu ?? 3);
    if (!("code" in result)) return { ...lowered, ...result };
    problems.push(result);
    return null;
  };
  const entries = module.programs.flatMap((program) => compiled(program) ?? []);
  const subprograms = new Map(module.subprograms.map((each) => [each.name, compiled(each)]));
  const signatures = new Map(module.subprograms.map((each) => [each.name, each]));
  if (problems.length > 0) throw new CompileError(problems);
  const specs = new Map<CompiledFunction, FunctionSpec>();
  // So that a module gives the same object from wherever it is compiled.
  const seenFromModule = (line: LineSpec): LineSpec => ({ ...line, file: relative(dirname(resolve(path)), line.file) });
  const specOf = (fn: CompiledFunction, typeId: () => number): FunctionSpec => {
    const { name, instructions, lines } = fn;
    const spec = specs.get(fn) ?? { name, instructions, typeId: typeId(), lines: lines.map(seenFromModule) };
    specs.set(fn, spec);
    return spec;
  };
  const programs = module.programs.flatMap(({ name, section, type }, index): ProgramSpec[] => {
    const entry = entries[index] as CompiledFunction; // none is missing when there are no problems
    const reached = reachedFrom(entry, (callee) => subprograms.get(callee) ?? null);
    problems.push(...callChainProblems(entry, reached));
    const own = specOf(entry, () => types.program(name, type));
    const others = [...reached.values()].map(
      (fn) => specOf(fn, () => types.subprogram(signatures.get(fn.name) as Subprogram)), // those that are reached are the module's
    );
    return [{ name, section, type, functions: [own, ...others] }];
  });
  if (problems.length > 0) throw new CompileError(problems);
  const readonly = module.readonlyData.length === 0 ? [] : [readonlySection(types, module)];
  const data = [...readonly, ...writableSections(types, module)];
  const spec: ObjectSpec = {
    license: "Dual MIT/GPL",
    programs,
    maps,
    data,
    btf: { types: types.btf.types },
  };
  return { spec, functions, files: source.files };
}

/** The machine code, or which limit of the kernel it exceeds. */
function generateWithinLimits({ function: fn, place }: LoweredProgram | Subprogram, cpu: Cpu): Generated | Diagnostic {
  try {
    const generated = generate(fn, { cpu });
    const count = generated.instructions.length;
    return count <= MOST_INSTRUCTIONS ? generated : { code: "WS4004", ...place, ...describe("WS4004", { count }) };
  } catch (error) {
    if (!(error instanceof StackOverflow)) throw error;
    return { code: "WS4001", ...place, ...describe("WS4001", { who: `\`${fn.name}\``, bytes: error.bytes }) };
  }
}

/** What is wrong with the module, or nothing: for editors and continuous integration. */
export function check(path: string, options: CompileOptions = {}): Diagnostic[] {
  try {
    compile(path, options);
    return [];
  } catch (error) {
    if (error instanceof CompileError) return [...error.diagnostics];
    throw error;
  }
}

function mapSpec(types: ModuleTypes, map: MapDeclaration): MapSpec {
  return {
    name: map.name,
    type: MAP_TYPE[map.kind.type],
    keySize: map.key?.size ?? 0,
    // A ring buffer has records of any size; the type is for those who read them.
    valueSize: map.kind.type === "RINGBUF" ? 0 : (map.value?.size ?? 0),
    maxEntries: map.entries,
    flags: map.flags,
    extra: map.extra,
    pinning: map.pinned ? "by-name" : "none",
    keyTypeId: map.key === null ? 0 : types.of(map.key),
    // The value of maps of maps is a descriptor or an id, and nobody's type.
    valueTypeId: map.value === null || map.inner !== null ? 0 : types.of(map.value),
    ...(map.inner !== null && { inner: mapSpec(types, map.inner) }),
  };
}

/** The variables of the module: those that begin as zeros in a section that takes no room in the file. */
function writableSections(types: ModuleTypes, { globals }: LoweredModule): DataSpec[] {
  return [".data", ".bss"].flatMap((section) => {
    const own = globals.filter((variable) => variable.section === section);
    if (own.length === 0) return [];
    const bytes = new Uint8Array(Math.max(...own.map(({ offset, layout }) => offset + layout.size)));
    for (const variable of own) bytes.set(variable.bytes, variable.offset);
    const variables = own.map(({ name, offset, layout }) => ({ name, offset, size: layout.size, typeId: types.of(layout) }));
    return [{ name: section, bytes, readonly: false, variables }];
  });
}

/** The texts of `trace`, and the settings under their names. */
function readonlySection(types: ModuleTypes, { readonlyData, settings }: LoweredModule): DataSpec {
  const variables = settings.map(({ name, offset, layout }) => ({ name, offset, size: layout.size, typeId: types.of(layout) }));
  return { name: ".rodata", bytes: readonlyData, readonly: true, variables };
}
