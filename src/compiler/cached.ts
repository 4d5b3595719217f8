/**
 * Compilations kept on disk, so that loading an unchanged module needs neither the compiler nor TypeScript. An entry holds the
 * object file and the hash of each file that it was made from; it counts only while all of them are unchanged.
 */
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, makeCacheFolder } from "../cache-folder.ts";
import { readElf } from "../object/elf/read.ts";
import { writeElf } from "../object/elf/write.ts";
import type { ObjectSpec, ProgramSpec } from "../object/spec.ts";
import type { Cpu } from "./backend/machine.ts";

interface Entry {
  /** [absolute path, SHA-256 of its contents] */
  files: [string, string][];
  /** Base64. */
  object: string;
  directions: Directions;
}

/** Of programs for TC by their names: the one thing about a program that an object file does not hold. */
type Directions = Record<string, ProgramSpec["direction"]>;

export interface CachedCompilation {
  spec: ObjectSpec;
  /** The compiler was not needed. */
  fromCache: boolean;
}

/**
 * The object of the kernel module at `path`, compiled when it is not in the cache ($XDG_CACHE_HOME/wirescript, or
 * ~/.cache/wirescript). `cpu` is the instruction set of the kernel that it is for.
 *
 * @throws CompileError, or WirescriptError BAD_FILE, as `compile` does.
 */
export async function compileCached(path: string, cpu: Cpu): Promise<CachedCompilation> {
  const file = resolve(path);
  const version = compilerVersion();
  const entryFile = version === null ? null : join(cacheFolder(), `${hash(`${file}\0${version}\0v${cpu}`)}.json`);
  const known = entryFile === null ? null : read(entryFile);
  if (known !== null) return { spec: known, fromCache: true };
  const { compile } = await import("./compile.ts");
  const { spec, files } = compile(file, { cpu });
  const object = writeElf(spec);
  const directions = Object.fromEntries(spec.programs.map(({ name, direction }) => [name, direction]));
  if (entryFile !== null) {
    write(entryFile, {
      files: files.map((name) => [name, hash(readFileSync(name))]),
      object: Buffer.from(object).toString("base64"),
      directions,
    });
  }
  // The object as any loader would see it, so that a first load and a cached one are the same.
  return { spec: withDirections(readElf(object, path), directions), fromCache: false };
}

function withDirections(spec: ObjectSpec, directions: Directions): ObjectSpec {
  const programs = spec.programs.map((program) => {
    const direction = Object.hasOwn(directions, program.name) ? directions[program.name] : undefined;
    return direction === undefined ? program : { ...program, direction };
  });
  return { ...spec, programs };
}

/** Changes with every build of the compiler; `null` when it runs from its sources, which nothing is cached for. */
function compilerVersion(): string | null {
  // Beside the folder of this module, and of the command that is made of it.
  const build = resolve(dirname(fileURLToPath(import.meta.url)), "../.tsbuildinfo");
  try {
    return hash(readFileSync(build));
  } catch {
    return null;
  }
}

function read(entryFile: string): ObjectSpec | null {
  try {
    const entry = JSON.parse(readFileSync(entryFile, "utf8")) as Entry;
    const unchanged = entry.files.every(([name, known]) => hash(readFileSync(name)) === known);
    if (!unchanged) return null;
    return withDirections(readElf(Buffer.from(entry.object, "base64"), entryFile), entry.directions);
  } catch {
    // Not there, half-written, or of another version: compiled anew.
    return null;
  }
}

/** Written beside and renamed, so that a reader never sees half of it. A cache that cannot be written is only slower. */
function write(entryFile: string, entry: Entry): void {
  if (!makeCacheFolder()) return;
  try {
    const temporary = `${entryFile}.${process.pid}`;
    writeFileSync(temporary, JSON.stringify(entry));
    renameSync(temporary, entryFile);
  } catch {
    // Full disk: the compilation itself is fine.
  }
}

function hash(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
