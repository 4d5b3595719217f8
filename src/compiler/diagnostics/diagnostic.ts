/** A message of the compiler at a place in the source: TypeScript's own (TSnnnn) or one of the catalogue (WSnnnn). */
import { WirescriptError } from "../../errors.ts";
import { CATALOGUE, type DiagnosticCode } from "./catalogue.ts";

export interface Diagnostic {
  /** "WS1001" or "TS2345". */
  code: string;
  file: string;
  /** 1-based; 0 when the message belongs to no line. */
  line: number;
  /** 1-based. */
  column: number;
  /** Characters that the message is about, on the first line. */
  length: number;
  /** Text of that line. */
  text: string;
  what: string;
  why?: string;
  fix?: string;
}

/** What, why and fix of a catalogue entry with its details filled in. */
export function describe(code: DiagnosticCode, details: Record<string, string | number> = {}) {
  const fill = (text: string) => text.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
  const entry = CATALOGUE[code];
  return { what: fill(entry.what), why: fill(entry.why), fix: fill(entry.fix) };
}

/** The message as a person reads it: place, what, the line with a marker, why and fix. */
export function format(diagnostic: Diagnostic): string {
  const { code, file, line, column, length, text, what, why, fix } = diagnostic;
  const lines = [line > 0 ? `${file}:${line}:${column} ${code}: ${what}` : `${file} ${code}: ${what}`];
  if (line > 0) {
    const number = String(line);
    const gutter = " ".repeat(number.length);
    // Tabs before the marker stay tabs, so that it stands under what it marks.
    const indent = text.slice(0, column - 1).replace(/[^\t]/g, " ");
    const marker = "^".repeat(Math.max(1, Math.min(length, text.length - column + 1)));
    lines.push(`  ${gutter} |`, `  ${number} | ${text}`, `  ${gutter} | ${indent}${marker}`);
  }
  if (why !== undefined) lines.push(`  why: ${why}`);
  if (fix !== undefined) lines.push(`  fix: ${fix}`);
  return lines.join("\n");
}

/** A module that does not compile, with everything that is wrong with it. */
export class CompileError extends WirescriptError {
  override readonly name = "CompileError";
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    const count = diagnostics.length === 1 ? "1 error" : `${diagnostics.length} errors`;
    super({ code: "COMPILE", what: `${diagnostics.map(format).join("\n\n")}\n\n${count} found.` });
    this.diagnostics = diagnostics;
  }
}
