/** Diagnostics for programs: as JSON for editors, and as the annotations that GitHub shows beside the lines of a change. */
import type { Diagnostic, SourceRange } from "../compiler/diagnostics/diagnostic.ts";

/** What `--json` prints for each diagnostic. Fields are added in later versions, never renamed or removed. */
export interface JsonDiagnostic extends JsonRange {
  /** "WS1001", "TS2345", or "BAD_FILE" when the file cannot be read. */
  code: string;
  severity: "error";
  what: string;
  why: string | null;
  fix: string | null;
  /** Other places that explain it. */
  related: (JsonRange & { what: string })[];
}

interface JsonRange {
  file: string;
  /** 1-based; 0 when it is about the file as a whole. */
  line: number;
  column: number;
  /** The end is exclusive. */
  endLine: number;
  endColumn: number;
}

export function toJson({ code, what, why, fix, related = [], ...range }: Diagnostic): JsonDiagnostic {
  const places = related.map(({ what, ...place }) => ({ ...jsonRange(place), what }));
  return { ...jsonRange(range), code, severity: "error", what, why: why ?? null, fix: fix ?? null, related: places };
}

function jsonRange({ file, line, column, endLine, endColumn }: SourceRange): JsonRange {
  return { file, line, column, endLine, endColumn };
}

/** A workflow command of GitHub Actions: `::error file=…,line=…::message`. */
export function toAnnotation({ code, file, line, column, endLine, endColumn, what, why, fix }: Diagnostic): string {
  const place = line === 0 ? [] : [`line=${line}`, `col=${column}`, `endLine=${endLine}`, `endColumn=${endColumn}`];
  const properties = [`file=${property(file)}`, ...place, `title=${property(code)}`].join(",");
  const text = [what, why === undefined ? "" : `why: ${why}`, fix === undefined ? "" : `fix: ${fix}`];
  return `::error ${properties}::${data(text.filter((part) => part !== "").join("\n"))}`;
}

/** As GitHub's runner wants text behind `::`. */
function data(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

/** As GitHub's runner wants the value of a property. */
function property(text: string): string {
  return data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
