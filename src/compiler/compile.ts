/**
 * Source → ObjectSpec: front end, passes, back end, types. Deterministic, and without a system call but reading files.
 *
 * TypeScript is imported here and below `frontend/`: import this module dynamically where production must not load a compiler.
 */
import { MAP_TYPE, type MapSpec, type MapTypeName, type ObjectSpec, type ProgramSpec } from "../object/spec.ts";
import { type Cpu, generate } from "./backend/generate.ts";
import { CompileError, type Diagnostic } from "./diagnostics/diagnostic.ts";
import { lowerModule } from "./frontend/lower.ts";
import { readSource } from "./frontend/source.ts";
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

const MAP_TYPES: Record<string, MapTypeName> = {
  array: "ARRAY",
  perCpuArray: "PERCPU_ARRAY",
  hash: "HASH",
  perCpuHash: "PERCPU_HASH",
  lruHash: "LRU_HASH",
};

/**
 * Compiles the kernel module at `path`.
 *
 * @throws CompileError with everything that is wrong with it; WirescriptError BAD_FILE when it cannot be read.
 */
export function compile(path: string, options: CompileOptions = {}): Compilation {
  const source = readSource(path, options.overlay);
  const module = lowerModule(source);
  if (module.diagnostics.length > 0) throw new CompileError(module.diagnostics);

  const types = new ModuleTypes();
  const maps = module.maps.map((map) => mapSpec(types, map));
  const functions: Function[] = [];
  const programs = module.programs.map(({ name, section, function: fn }): ProgramSpec => {
    optimise(fn, options.disabledPasses === undefined ? {} : { disabled: options.disabledPasses });
    functions.push(fn);
    const { instructions, lines } = generate(fn, { cpu: options.cpu ?? 3 });
    const typeId = types.program(name);
    return { name, section, type: "xdp", functions: [{ name, instructions, typeId, lines }] };
  });
  const data = module.readonlyData.length === 0 ? [] : [readonlySection(module.readonlyData)];
  const spec: ObjectSpec = { license: "Dual MIT/GPL", programs, maps, data, btf: { types: types.btf.types } };
  return { spec, functions, files: source.files };
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
  const type = MAP_TYPES[map.type];
  if (type === undefined) throw new Error(`no kernel map type for ${map.type}`);
  return {
    name: map.name,
    type: MAP_TYPE[type],
    keySize: map.key.size,
    valueSize: map.value.size,
    maxEntries: map.entries,
    flags: 0,
    pinning: map.pinned ? "by-name" : "none",
    keyTypeId: types.of(map.key),
    valueTypeId: types.of(map.value),
  };
}

function readonlySection(bytes: Uint8Array) {
  return { name: ".rodata", bytes, readonly: true, variables: [] };
}
