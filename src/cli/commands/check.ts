/** `wirescript check`: its options and examples. `../actions/check.ts` does the work. */
import { Command, Option } from "commander";
import { EXIT_STATUS } from "../../errors.ts";
import type { CheckFormat } from "../actions/check.ts";
import { teach } from "../examples.ts";
import type { Finish } from "../finish.ts";

const FORMATS: readonly CheckFormat[] = ["text", "json", "github"];

export function checkCommand(finish: Finish): Command {
  const command = new Command("check")
    .description("Say everything that is wrong with kernel modules. Needs no root, no kernel, no device.")
    .argument("[file...]", "kernel modules (*.bpf.ts)")
    .option("--json", "the same as --format json")
    .addOption(
      new Option("--format <format>", "for people, for editors, or as annotations of GitHub Actions")
        .choices(FORMATS)
        .default("text"),
    )
    .option("--stdin-filename <file>", "check the standard input as if it were this file, which need not be saved")
    .action(async (files: string[], options: { json?: boolean; format: CheckFormat; stdinFilename?: string }) => {
      const { check } = await import("../actions/check.ts");
      const { stdinFilename } = options;
      const format = options.json === true ? "json" : options.format;
      finish(check(files, { format, ...(stdinFilename !== undefined && { stdinFilename }) }));
    });
  return teach(
    command,
    [
      ["wirescript check echo.bpf.ts", "errors with line, reason and remedy"],
      ["wirescript check src/*.bpf.ts --json", "for editors and continuous integration"],
      ["wirescript check --json --stdin-filename src/echo.bpf.ts", "for editors, while the file is being changed"],
      ["wirescript check src/*.bpf.ts --format github", "beside the lines of a change on GitHub"],
    ],
    [
      "--json prints [{ file, line, column, endLine, endColumn, code, severity, what, why, fix, related }]. Lines and columns count",
      "from 1, ends are exclusive, line 0 means the file as a whole; why and fix may be null; related holds other places that",
      "explain it: [{ file, line, column, endLine, endColumn, what }].",
    ].join("\n"),
    `Exit status 0 when all files are right, ${EXIT_STATUS.COMPILE} when one is not, ${EXIT_STATUS.BAD_FILE} when one cannot be read.`,
  );
}
