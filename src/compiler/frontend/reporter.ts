/** Collects diagnostics, each once: a function that is built into several callers is still one piece of source. */
import type ts from "typescript";
import type { DiagnosticCode } from "../diagnostics/catalogue.ts";
import { type Diagnostic, describe } from "../diagnostics/diagnostic.ts";
import { placeOf } from "./source.ts";

/** Thrown to leave the statement that cannot be compiled; the reason has been reported. */
export class Abort extends Error {}

export class Reporter {
  readonly diagnostics: Diagnostic[] = [];
  readonly #seen = new Set<string>();

  report(node: ts.Node, code: DiagnosticCode, details?: Record<string, string | number>): void {
    const file = node.getSourceFile();
    const start = node.getStart(file);
    const key = `${code} ${file.fileName} ${start}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.diagnostics.push({ code, ...placeOf(file, start, node.getEnd() - start), ...describe(code, details) });
  }

  /** Reports and leaves the statement. */
  fail(node: ts.Node, code: DiagnosticCode, details?: Record<string, string | number>): never {
    this.report(node, code, details);
    throw new Abort();
  }
}
