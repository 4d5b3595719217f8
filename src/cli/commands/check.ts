/** `wirescript check`: its options and examples. `../actions/check.ts` does the work. */
import { Command } from "commander";
import { EXIT_STATUS } from "../../errors.ts";
import { teach } from "../examples.ts";
import type { Finish } from "../finish.ts";

export function checkCommand(finish: Finish): Command {
  const command = new Command("check")
    .description("Say everything that is wrong with kernel modules. Needs no root, no kernel, no device.")
    .argument("<file...>", "kernel modules (*.bpf.ts)")
    .option("--json", "print the diagnostics as JSON: [{ code, file, line, column, length, text, what, why, fix }]")
    .action(async (files: string[], options: { json?: boolean }) => {
      const { check } = await import("../actions/check.ts");
      finish(check(files, options.json === true));
    });
  return teach(
    command,
    [
      ["wirescript check echo.bpf.ts", "errors with line, reason and remedy"],
      ["wirescript check src/*.bpf.ts --json", "for editors and continuous integration"],
    ],
    `Exit status 0 when all files are right, ${EXIT_STATUS.COMPILE} when one is not.`,
  );
}
