/** `wirescript check`: everything that is wrong with kernel modules, at once, without touching the kernel. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { compile } from "../../compiler/compile.ts";
import { CompileError, type Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import { EXIT_STATUS, WirescriptError } from "../../errors.ts";
import { toAnnotation, toJson } from "../diagnostic-formats.ts";
import { reportFailure } from "../failure.ts";
import { describePrograms } from "../program-file.ts";
import { say, sayJson } from "../terminal.ts";

export type CheckFormat = "text" | "json" | "github";

export interface CheckOptions {
  format: CheckFormat;
  /** The standard input is the text of this file, which need not be saved. */
  stdinFilename?: string;
}

/** Returns the exit status: 0, that of compile errors, or that of bad files when there is nothing worse. */
export function check(files: readonly string[], { format, stdinFilename }: CheckOptions): number {
  const overlay = new Map<string, string>();
  if (stdinFilename !== undefined) overlay.set(resolve(stdinFilename), readFileSync(0, "utf8").replace(/^\ufeff/, ""));
  const named = stdinFilename === undefined ? files : [...files, stdinFilename];
  if (named.length === 0) throw nothingToCheck();
  const found = new Map<string, Diagnostic>();
  let status = 0;
  for (const file of named) {
    try {
      const { spec } = compile(file, { overlay });
      if (format === "text") say(`${file}: right. ${describePrograms(spec)}`);
    } catch (error) {
      if (!(error instanceof WirescriptError)) throw error;
      // Modules that several files import are wrong once.
      for (const each of diagnosticsOf(error, file)) found.set(`${each.code} ${each.file}:${each.line}:${each.column}`, each);
      if (status !== EXIT_STATUS.COMPILE) status = EXIT_STATUS[error.code];
      if (format === "text") reportFailure(error, false);
    }
  }
  if (format === "json") sayJson([...found.values()].map(toJson));
  if (format === "github") for (const each of found.values()) say(toAnnotation(each));
  return status;
}

function diagnosticsOf(error: WirescriptError, file: string): readonly Diagnostic[] {
  if (error instanceof CompileError) return error.diagnostics;
  const { code, message: what, why, fix } = error;
  const nowhere = { file, line: 0, column: 0, endLine: 0, endColumn: 0, text: "" };
  return [{ ...nowhere, code, what, ...(why !== undefined && { why }), ...(fix !== undefined && { fix }) }];
}

function nothingToCheck(): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: "There is nothing to check.",
    why: "Neither a file nor --stdin-filename was given.",
    fix: "Name kernel modules: wirescript check echo.bpf.ts",
  });
}
