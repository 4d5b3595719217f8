/** Runs passes on a small function in textual form, for tests that show a pass's work before and after. */
import type { Function } from "../ir/ir.ts";
import { parseFunction } from "../ir/parse.ts";
import { printFunction } from "../ir/print.ts";
import { validate } from "../ir/validate.ts";

/**
 * What `passes` make of a function whose first block begins with v1 = context, v2 = data, v3 = data_end; without those lines.
 * Checks the function's laws before and after.
 */
export function transformed(passes: readonly ((fn: Function) => boolean)[], body: string): string {
  const fn = parseFunction(
    `function f {\nb0:\n  v1 = context\n  v2: ptr = load.4 context v1\n  v3: ptr = load.4 context v1 + 4\n${body}\n}`,
  );
  validate(fn);
  for (const pass of passes) {
    pass(fn);
    validate(fn, pass.name);
  }
  const lines = printFunction(fn).trimEnd().split("\n").slice(2, -1);
  return lines
    .filter((line) => !/^ {2}v[123](: ptr)? = (context|load)/.test(line))
    .map((line) => line.replace(/^ {2}/, ""))
    .join("\n");
}
