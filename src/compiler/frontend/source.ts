/** Reads a module and all it imports through the TypeScript compiler, and reports what its checker finds. */
import { realpathSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Diagnostic, SourceRange } from "../diagnostics/diagnostic.ts";
import { followsFromCallee } from "./habits.ts";
import { Imports, isOfKernel, isOwn, type UserSpaceImport } from "./imports.ts";
import { LIBRARY, LIBRARY_FILE } from "./library.ts";
import { readModule } from "./read-module.ts";
import ts from "./typescript.ts";
import { messageOf } from "./typescript-messages.ts";

/** The same strictness as `tsc --strict`; resolution as bundlers do it, so that a module compiles in any folder. */
const OPTIONS: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  noLib: true,
  types: [],
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  moduleDetection: ts.ModuleDetectionKind.Force,
  customConditions: ["wirescript-source"],
  allowImportingTsExtensions: true,
  skipLibCheck: true,
};

export interface Source {
  program: ts.Program;
  checker: ts.TypeChecker;
  entry: ts.SourceFile;
  /** The entry and what it imports, without `wirescript/kernel`: the files whose code becomes kernel code. */
  modules: ts.SourceFile[];
  /** Imports of what only Node.js has; the modules that hold them are no kernel code, but for the entry. */
  userSpaceImports: readonly UserSpaceImport[];
  /** Every file that the result depends on, for the cache. */
  files: string[];
  /** `true` for a declaration of `wirescript/kernel`, whose meaning the compiler knows. */
  isIntrinsic(declaration: ts.Declaration): boolean;
}

/** Files kept between compilations in one process, while their text is the same. */
const parsed = new Map<string, { text: string; file: ts.SourceFile }>();

function parse(fileName: string, text: string): ts.SourceFile {
  const known = parsed.get(fileName);
  if (known !== undefined && known.text === text) return known.file;
  const file = ts.createSourceFile(fileName, text, { languageVersion: ts.ScriptTarget.ES2022 }, true);
  parsed.set(fileName, { text, file });
  return file;
}

/**
 * Reads `path` and its imports. `overlay` gives texts for files that are not on disk, or differ from it.
 *
 * @throws WirescriptError BAD_FILE when the file cannot be read.
 */
export function readSource(path: string, overlay: ReadonlyMap<string, string> = new Map()): Source {
  const given = resolve(path);
  const entryText = overlay.get(given) ?? readModule(given, path);
  // A module is the file that a link leads to, as for Node.js: its imports are relative to that.
  const fileName = overlay.has(given) ? given : realpathSync(given);
  const read = (name: string): string | undefined => {
    if (name === fileName) return entryText;
    return overlay.get(name) ?? (ts.sys.fileExists(name) ? readModule(name, displayName(name)) : undefined);
  };
  const imports = new Imports(fileName, overlay);
  const host: ts.CompilerHost = {
    getSourceFile(name) {
      // This package's own modules do not change while it runs.
      const own = name !== fileName && !overlay.has(name) && isOwn(name) ? parsed.get(name) : undefined;
      if (own !== undefined) return own.file;
      const text = name === LIBRARY_FILE ? LIBRARY : read(name);
      return text === undefined ? undefined : parse(name, text);
    },
    fileExists: (name) => name === LIBRARY_FILE || overlay.has(name) || ts.sys.fileExists(name),
    readFile: (name) => overlay.get(name) ?? ts.sys.readFile(name),
    directoryExists: ts.sys.directoryExists,
    getCurrentDirectory: () => process.cwd(),
    getDefaultLibFileName: () => LIBRARY_FILE,
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
    writeFile: () => undefined,
    resolveModuleNameLiterals: (literals, containing, _, options) => imports.resolve(literals, containing, options, host),
  };
  const program = ts.createProgram({ rootNames: [LIBRARY_FILE, fileName], options: OPTIONS, host });
  const entry = program.getSourceFile(fileName);
  if (entry === undefined) throw new Error(`TypeScript did not read ${fileName}`);
  const sources = program.getSourceFiles().filter((file) => file.fileName !== LIBRARY_FILE && !file.isDeclarationFile);
  return {
    program,
    checker: program.getTypeChecker(),
    entry,
    modules: sources.filter(({ fileName }) => !isOfKernel(fileName) && !imports.userSpaceModules.has(fileName)),
    userSpaceImports: imports.userSpace,
    files: program
      .getSourceFiles()
      .map((file) => file.fileName)
      .filter((name) => name !== LIBRARY_FILE),
    isIntrinsic: (declaration) => isOfKernel(declaration.getSourceFile().fileName),
  };
}

/** A message of TypeScript's, and where exactly it points. */
export interface TypeScriptError {
  diagnostic: Diagnostic;
  file: ts.SourceFile;
  start: number;
  length: number;
}

export function syntaxErrors({ program }: Source, file: ts.SourceFile): TypeScriptError[] {
  return program.getSyntacticDiagnostics(file).flatMap((found) => located(found, program.getTypeChecker()));
}

/** What TypeScript's checker finds in `file`. */
export function typeErrors({ program }: Source, file: ts.SourceFile): TypeScriptError[] {
  const checker = program.getTypeChecker();
  const all = program.getSemanticDiagnostics(file);
  return all.filter((found) => !followsFromCallee(found, all, checker)).flatMap((found) => located(found, checker));
}

/** Messages without a file speak of the library that kernel code does not have, such as generators' types. */
function located(diagnostic: ts.Diagnostic, checker: ts.TypeChecker): TypeScriptError[] {
  const { file, start = 0, length = 1 } = diagnostic;
  return file === undefined ? [] : [{ diagnostic: fromTypeScript(diagnostic, file, checker), file, start, length }];
}

function fromTypeScript(diagnostic: ts.Diagnostic, file: ts.SourceFile, checker: ts.TypeChecker): Diagnostic {
  const place = placeOf(file, diagnostic.start ?? 0, diagnostic.length ?? 1);
  return { code: `TS${diagnostic.code}`, ...place, ...messageOf(diagnostic, checker) };
}

/** The place of `length` characters at `position`, as diagnostics and line info want it. */
export function placeOf(file: ts.SourceFile, position: number, length: number): SourceRange {
  const start = file.getLineAndCharacterOfPosition(position);
  const end = file.getLineAndCharacterOfPosition(Math.min(position + length, file.text.length));
  const starts = file.getLineStarts();
  const text = file.text.slice(starts[start.line], starts[start.line + 1] ?? file.text.length).replace(/\r?\n$/, "");
  return {
    file: displayName(file.fileName),
    line: start.line + 1,
    column: start.character + 1,
    endLine: end.line + 1,
    endColumn: end.character + 1,
    text,
  };
}

export function rangeOf(node: ts.Node): SourceRange {
  const file = node.getSourceFile();
  const start = node.getStart(file);
  return placeOf(file, start, node.getEnd() - start);
}

/** Relative to the working folder when the file is below it. */
export function displayName(fileName: string): string {
  const path = relative(process.cwd(), fileName);
  return path.startsWith("..") ? fileName : path;
}
