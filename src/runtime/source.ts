/**
 * What `load` is given, as an ObjectSpec: a TypeScript module is compiled for this kernel (or taken from the compiler's cache), an ELF object
 * is read, a spec is itself. The compiler is imported only when a module has to be compiled: who loads prebuilt objects needs none.
 */

import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { WirescriptError } from "../errors.ts";
import { readElf } from "../object/elf/read.ts";
import type { ObjectSpec } from "../object/spec.ts";
import { wrongArgument } from "./arguments.ts";
import { newestInstructionSet } from "./instruction-set.ts";

/** A path or file URL of a `*.bpf.ts` module or an ELF object; an ELF object's bytes; or the object itself. */
export type Source = string | URL | Uint8Array | ObjectSpec;

/** "cache": compiled at an earlier time, and unchanged since. */
export type Origin = "compiled" | "cache" | "object";

/** @throws WirescriptError BAD_FILE, COMPILE. */
export async function readSource(source: Source): Promise<{ spec: ObjectSpec; origin: Origin }> {
  if (source instanceof Uint8Array) return { spec: readElf(source, "The object"), origin: "object" };
  if (typeof source !== "string" && !(source instanceof URL)) return { spec: asSpec(source), origin: "object" };
  const path = pathOf(source);
  if (!path.endsWith(".ts")) return { spec: readElf(readBytes(path), path), origin: "object" };
  const { compileCached } = await import("../compiler/cached.ts");
  const { spec, fromCache } = await compileCached(path, newestInstructionSet());
  return { spec, origin: fromCache ? "cache" : "compiled" };
}

/** Only files are read: what comes over the network may have been changed on its way, and runs in the kernel. */
function pathOf(source: string | URL): string {
  if (typeof source === "string" && !/^[a-z][a-z0-9+.-]+:\/\//i.test(source)) return source;
  try {
    return fileURLToPath(source);
  } catch (cause) {
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `${source} is not the URL of a file on this machine.`,
      why: (cause as Error).message,
      fix: "Give a path or a file: URL. An object from elsewhere is loaded by its bytes: load(new Uint8Array(await response.arrayBuffer())).",
      cause,
    });
  }
}

/** @throws WirescriptError USAGE for what is no spec, with what it is. */
export function asSpec(source: unknown): ObjectSpec {
  const spec = source as Partial<ObjectSpec> | null | undefined;
  const isSpec =
    typeof spec === "object" && [spec?.programs, spec?.maps, spec?.data].every(Array.isArray) && spec?.btf !== undefined;
  if (isSpec) return spec as ObjectSpec;
  throw wrongArgument(
    "There is nothing to load.",
    source,
    "An object is loaded from the path of a *.bpf.ts module or of an eBPF object (.o), from such an object's bytes (a Uint8Array), or from an ObjectSpec",
    'Give one of these: load(new URL("./echo.bpf.ts", import.meta.url))',
  );
}

/** Far more than any object: the kernel takes a million instructions of 8 bytes, and 16 MiB of types. */
const LARGEST_OBJECT = 64 * 1024 * 1024;

function readBytes(path: string): Uint8Array {
  try {
    const file = statSync(path);
    if (!file.isFile() || file.size > LARGEST_OBJECT) {
      throw new WirescriptError({
        code: "BAD_FILE",
        what: `${path} is no eBPF object.`,
        why: file.isFile() ? `It has ${file.size} bytes.` : "It is not a regular file.",
        fix: "Give the path of a *.bpf.ts module or of an eBPF object (.o).",
      });
    }
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    if (cause instanceof WirescriptError) throw cause;
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
