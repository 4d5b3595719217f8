/** Columns of text. */
import { oneLine, paint, say } from "./terminal.ts";

/** Prints rows in columns as wide as their widest cell, two spaces apart, headings first. Nothing trails at the end of a line. */
export function sayTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  // Names of devices, processes and pins are of others' making.
  const cells = rows.map((row) => row.map(oneLine));
  const widths = headings.map((heading, column) =>
    cells.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), heading.length),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  say(paint("bold", line(headings)));
  for (const row of cells) say(line(row));
}
