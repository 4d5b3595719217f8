/** Finds the modules that a kernel module imports, and tells which of its imports lead to Node.js. */
import { realpathSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, resolve } from "node:path";
import { packageFile } from "../../package.ts";
import ts from "./typescript.ts";

/** What `wirescript/…` means in a kernel module. */
const KERNEL_FOLDER = packageFile("src/kernel/");
const NET_FOLDER = packageFile("src/net/");
export const OWN_MODULES: Record<string, string> = {
  "wirescript/kernel": packageFile("src/kernel/index.ts"),
  "wirescript/net": packageFile("src/net/index.ts"),
};
/** What `wirescript` itself means: the side that runs in Node.js. In a folder where it is not installed it is found by its name. */
const USER_SPACE = { name: "wirescript", file: packageFile("src/index.ts") };
/** The user-space side of `wirescript/kernel` imports the error family; kernel code never sees it. */
const ERRORS = packageFile("src/errors.ts");

export function isOfKernel(fileName: string): boolean {
  return fileName.startsWith(KERNEL_FOLDER) || fileName === ERRORS;
}

export function isOfNet(fileName: string): boolean {
  return fileName.startsWith(NET_FOLDER);
}

/** `true` for this package's own modules, which do not change while it runs. */
export function isOwn(fileName: string): boolean {
  return isOfKernel(fileName) || isOfNet(fileName);
}

/** The text behind `from` that leads to Node.js, and the import of the module that it stands in, unless that is the entry. */
export interface UserSpaceImport {
  specifier: ts.StringLiteralLike;
  via: ts.StringLiteralLike | undefined;
}

type Found = ts.ResolvedModuleWithFailedLookupLocations;

/** The imports of one compilation. `entry` and `overlay` are as for `readSource`. */
export class Imports {
  readonly userSpace: UserSpaceImport[] = [];
  /** Modules that import from Node.js: they are no kernel code, whatever else they hold. */
  readonly userSpaceModules = new Set<string>();
  /** By the name of a module's file: what first imported it. */
  readonly #importedBy = new Map<string, ts.StringLiteralLike>();
  readonly #entry: string;
  readonly #overlay: ReadonlyMap<string, string>;

  constructor(entry: string, overlay: ReadonlyMap<string, string>) {
    this.#entry = entry;
    this.#overlay = overlay;
  }

  /** What the imports of one module lead to. */
  resolve(
    specifiers: readonly ts.StringLiteralLike[],
    containing: string,
    options: ts.CompilerOptions,
    host: ts.CompilerHost,
  ): Found[] {
    const all = specifiers.map((specifier) => ({ specifier, found: this.#find(specifier.text, containing, options, host) }));
    const isCode = !isOwn(containing) && !/\.d\.[cm]?ts$/.test(containing);
    const foreign = isCode ? all.filter(({ specifier, found }) => isOfUserSpace(specifier, found)) : [];
    const via = this.#importedBy.get(containing);
    this.userSpace.push(...foreign.map(({ specifier }) => ({ specifier, via })));
    const leaves = foreign.length > 0 && containing !== this.#entry;
    if (leaves) this.userSpaceModules.add(containing);
    return all.map((each) => {
      // What a module of Node.js imports beside that is none for the kernel either, and is not read.
      if (leaves || foreign.includes(each)) return { resolvedModule: undefined };
      const name = each.found.resolvedModule?.resolvedFileName;
      if (name !== undefined && !this.#importedBy.has(name)) this.#importedBy.set(name, each.specifier);
      return each.found;
    });
  }

  #find(name: string, containing: string, options: ts.CompilerOptions, host: ts.CompilerHost): Found {
    const own = OWN_MODULES[name] ?? ownNeighbour(name, containing);
    if (own === undefined) return withRealPath(ts.resolveModuleName(name, containing, options, host), this.#overlay);
    return { resolvedModule: { resolvedFileName: own, extension: ts.Extension.Ts, isExternalLibraryImport: false } };
  }
}

function isOfUserSpace({ text }: ts.StringLiteralLike, { resolvedModule }: Found): boolean {
  return isBuiltin(text) || text === USER_SPACE.name || resolvedModule?.resolvedFileName === USER_SPACE.file;
}

/** Between this package's own modules nothing needs to be searched for. */
function ownNeighbour(name: string, containing: string): string | undefined {
  return isOwn(containing) && name.startsWith(".") ? resolve(dirname(containing), name) : undefined;
}

/** A module that is reached over a link and over its own path is one module, as for Node.js. */
function withRealPath(found: Found, overlay: ReadonlyMap<string, string>): Found {
  const module = found.resolvedModule;
  if (module === undefined || overlay.has(module.resolvedFileName)) return found;
  return { ...found, resolvedModule: { ...module, resolvedFileName: realpathSync(module.resolvedFileName) } };
}
