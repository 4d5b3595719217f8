/** `wirescript check`: everything that is wrong with kernel modules, at once, without touching the kernel. */
import { compile } from "../../compiler/compile.ts";
import { CompileError, type Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import { EXIT_STATUS } from "../../errors.ts";
import { reportFailure } from "../failure.ts";
import { describePrograms } from "../program-file.ts";
import { say, sayJson } from "../terminal.ts";

/** Returns the exit status. */
export function check(files: readonly string[], json: boolean): number {
  const diagnostics: Diagnostic[] = [];
  let status = 0;
  for (const file of files) {
    try {
      const { spec } = compile(file);
      if (!json) say(`${file}: right. ${describePrograms(spec)}`);
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      diagnostics.push(...error.diagnostics);
      status = json ? EXIT_STATUS.COMPILE : reportFailure(error, false);
    }
  }
  if (json) sayJson(diagnostics);
  return status;
}
