/** Collects diagnostics, each once: a function that is built into several callers is still one piece of source. */
import type ts from "typescript";
import type { DiagnosticCode } from "../diagnostics/catalogue.ts";
import { type Diagnostic, describe } from "../diagnostics/diagnostic.ts";
import type { Faults } from "./faults.ts";
import { rangeOf } from "./source.ts";

/** Thrown to leave what cannot be compiled; the reason has been reported. */
export class Abort extends Error {}

/** Whether the source is nested deeper than the compiler's own stack goes. */
export function isStackExhausted(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes("call stack");
}

/** A second place of a diagnostic, and what is to be seen there. */
export interface Note {
  node: ts.Node;
  what: string;
}

export class Reporter {
  readonly diagnostics: Diagnostic[] = [];
  readonly #seen = new Set<string>();
  readonly #faults: Faults;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  report(node: ts.Node, code: DiagnosticCode, details?: Record<string, string | number>, notes: readonly Note[] = []): void {
    if (this.#faults.isDoubtful(node)) return;
    const range = rangeOf(node);
    const key = `${code} ${range.file} ${range.line} ${range.column}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const related = notes.map((note) => ({ ...rangeOf(note.node), what: note.what }));
    this.diagnostics.push({ code, ...range, ...describe(code, details), ...(related.length > 0 && { related }) });
  }

  /** Reports and leaves what is being compiled. */
  fail(node: ts.Node, code: DiagnosticCode, details?: Record<string, string | number>, notes?: readonly Note[]): never {
    this.report(node, code, details, notes);
    throw new Abort();
  }
}
