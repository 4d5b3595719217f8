/**
 * What `load` is given, as an ObjectSpec: a TypeScript module is compiled (or taken from the compiler's cache), an ELF object is read, a
 * spec is itself. The compiler is imported only when a module has to be compiled: who loads prebuilt objects needs none.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { WirescriptError } from "../errors.ts";
import { readElf } from "../object/elf/read.ts";
import type { ObjectSpec } from "../object/spec.ts";

/** A path or file URL of a `*.bpf.ts` module or an ELF object, or the object itself. */
export type Source = string | URL | ObjectSpec;

/** @throws WirescriptError BAD_FILE, COMPILE. */
export async function readSource(source: Source): Promise<ObjectSpec> {
  if (typeof source !== "string" && !(source instanceof URL)) return source;
  const path = source instanceof URL || source.startsWith("file://") ? fileURLToPath(source) : source;
  if (path.endsWith(".ts")) {
    const { compileCached } = await import("../compiler/cached.ts");
    return (await compileCached(path)).spec;
  }
  return readElf(readBytes(path), path);
}

function readBytes(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `The file ${path} cannot be read.`,
      why: code === "ENOENT" ? "There is no such file." : (cause as Error).message,
      fix: "Give the path of a *.bpf.ts module or of an eBPF object (.o).",
      cause,
    });
  }
}
