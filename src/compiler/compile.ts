/**
 * Source → ObjectSpec: front end, passes, back end, types. Deterministic, and without a system call but reading files.
 *
 * TypeScript is imported here and below `frontend/`: import this module dynamically where production must not load a compiler.
 */
import { dirname, resolve } from "node:path";
import { TEXT_SECTION } from "../object/elf/format.ts";
import { DEFAULT_LICENSE } from "../object/license.ts";
import { type DataSpec, MAP_TYPE, type MapSpec, type ObjectSpec } from "../object/spec.ts";
import type { Cpu } from "./backend/generate.ts";
import { ConstantPool } from "./constant-pool.ts";
import { byPlace, CompileError, type Diagnostic, describe } from "./diagnostics/diagnostic.ts";
import { type LoweredModule, lowerModule } from "./frontend/lower.ts";
import { isStackExhausted } from "./frontend/reporter.ts";
import { readSource } from "./frontend/source.ts";
import type { MapDeclaration } from "./frontend/values.ts";
import { Code } from "./functions.ts";
import type { Function } from "./ir/ir.ts";
import { checkLicense } from "./license.ts";
import { walksOf } from "./outline/walks.ts";
import { ModuleTypes } from "./types.ts";

export interface CompileOptions {
  /** Instruction set of the target: what `clang -mcpu` calls v1 to v4. 3 unless given; every kernel from 5.1 on has it. */
  cpu?: Cpu;
  /** Passes to leave out, by name. */
  disabledPasses?: readonly string[];
  /** What the object's license says; "Dual MIT/GPL" unless given. One that is not compatible with the GPL forbids some helper functions. */
  license?: string;
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

/**
 * Compiles the kernel module at `path`.
 *
 * @throws CompileError with everything that is wrong with it; WirescriptError BAD_FILE when it cannot be read, COMPILE for a call that the license
 * forbids.
 */
export function compile(path: string, options: CompileOptions = {}): Compilation {
  try {
    return compileModule(path, options);
  } catch (error) {
    if (!isStackExhausted(error)) throw error;
    throw new CompileError([{ code: "WS4005", ...nowhere(path), ...describe("WS4005") }]);
  }
}

function nowhere(file: string) {
  return { file, line: 0, column: 0, endLine: 0, endColumn: 0, text: "" };
}

function compileModule(path: string, options: CompileOptions): Compilation {
  const source = readSource(path, options.overlay);
  // What is right goes on although something else is wrong: its limits are told in the same run.
  const module = lowerModule(source);
  const types = new ModuleTypes();
  const maps = module.maps.map((map) => mapSpec(types, map));
  const cpu = options.cpu ?? 3;
  const constants = new ConstantPool(module.readonlyData.length);
  const code = new Code(types, {
    cpu,
    constants: cpu >= 3 ? constants : undefined,
    disabled: options.disabledPasses ?? [],
    folder: dirname(resolve(path)),
    walks: walksOf([...module.subprograms, ...module.programs].map((each) => each.function)),
  });
  for (const subprogram of module.subprograms) code.add(subprogram, () => types.subprogram(subprogram));
  for (const program of module.programs) code.add(program, () => types.program(program.name, program.type));
  const programs = module.programs.map(({ name, section, type, direction }) => ({
    name,
    section,
    type,
    ...(direction && { direction }),
    functions: code.program(name),
  }));
  const problems = [...module.diagnostics, ...code.problems];
  if (problems.length > 0) throw new CompileError(problems.sort(byPlace));
  if (programs.some(({ section, functions }) => section === TEXT_SECTION && functions.length > 1)) {
    throw new CompileError([{ code: "WS3008", ...nowhere(path), ...describe("WS3008", { hook: "XDP that calls functions" }) }]);
  }
  const readonlyData = Uint8Array.from([...module.readonlyData, ...constants.bytes]);
  const readonly = readonlyData.length === 0 ? [] : [readonlySection(types, module, readonlyData)];
  const data = [...readonly, ...writableSections(types, module)];
  const license = options.license ?? DEFAULT_LICENSE;
  checkLicense(license, programs);
  const spec: ObjectSpec = { license, programs, maps, data, btf: { types: types.btf.types } };
  return { spec, functions: code.functions, files: source.files };
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

/** The settings under their names; the texts of `trace` and constants without. */
function readonlySection(types: ModuleTypes, { settings }: LoweredModule, bytes: Uint8Array): DataSpec {
  const variables = settings.map(({ name, offset, layout }) => ({ name, offset, size: layout.size, typeId: types.of(layout) }));
  return { name: ".rodata", bytes, readonly: true, variables };
}
