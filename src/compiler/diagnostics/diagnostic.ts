/** A message of the compiler at a place in the source: TypeScript's own (TSnnnn) or one of the catalogue (WSnnnn). */
import { WirescriptError } from "../../errors.ts";
import { CATALOGUE, type DiagnosticCode } from "./catalogue.ts";

/** A piece of source. Lines and columns are 1-based, columns count UTF-16 units as editors do, and the end is exclusive. */
export interface SourceRange {
  /** Relative to the working folder when the file is below it. */
  file: string;
  /** 0 when the message belongs to the file as a whole. */
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
  /** Text of the first line. */
  text: string;
}

/** A second place that explains the first: "the packet moved here". */
export interface Related extends SourceRange {
  what: string;
}

export interface Diagnostic extends SourceRange {
  /** "WS1001" or "TS2345". */
  code: string;
  what: string;
  why?: string;
  fix?: string;
  related?: Related[];
}

/** What, why and fix of a catalogue entry with its details filled in. */
export function describe(code: DiagnosticCode, details: Record<string, string | number> = {}) {
  const fill = (text: string) => text.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
  const entry = CATALOGUE[code];
  return { what: fill(entry.what), why: fill(entry.why), fix: fill(entry.fix) };
}

/** The order in which diagnostics are shown. */
export function byPlace(left: Diagnostic, right: Diagnostic): number {
  return left.file.localeCompare(right.file) || left.line - right.line || left.column - right.column;
}

/** The message as a person reads it: place, what, the line with a marker, other places that explain it, why and fix. */
export function format(diagnostic: Diagnostic): string {
  const { code, what, why, fix, related = [] } = diagnostic;
  const lines = [`${position(diagnostic)} ${code}: ${what}`, ...frame(diagnostic, "^")];
  for (const each of related) lines.push(`  ${position(each)}: ${each.what}`, ...frame(each, "-"));
  if (why !== undefined) lines.push(`  why: ${why}`);
  if (fix !== undefined) lines.push(`  fix: ${fix}`);
  return lines.join("\n");
}

function position({ file, line, column }: SourceRange): string {
  return line > 0 ? `${file}:${line}:${column}` : file;
}

/** The first line of the range with a marker under it. */
function frame({ line, column, endLine, endColumn, text }: SourceRange, mark: string): string[] {
  if (line === 0) return [];
  const number = String(line);
  const gutter = " ".repeat(number.length);
  // Tabs before the marker stay tabs, so that it stands under what it marks.
  const indent = text.slice(0, column - 1).replace(/[^\t]/g, " ");
  const end = endLine > line ? text.length + 1 : Math.min(endColumn, text.length + 1);
  const marker = mark.repeat(Math.max(1, end - column));
  return [`  ${gutter} |`, `  ${number} | ${text}`, `  ${gutter} | ${indent}${marker}`];
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
