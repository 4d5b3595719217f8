/** `wirescript report`: its options and examples. `../actions/report.ts` does the work. */
import { Command } from "commander";
import { teach } from "../examples.ts";

export function reportCommand(): Command {
  const command = new Command("report")
    .description(
      "Collect what is needed to mend a program that compiles and that the kernel refuses: source, instructions, the kernel's log.",
    )
    .argument("<file>", "a kernel module (*.bpf.ts)")
    .option("-o, --output <file>", "where to write; - is the standard output", "wirescript-report.txt")
    .action(async (file: string, { output }: { output: string }) => {
      const { report } = await import("../actions/report.ts");
      await report(file, output);
    });
  return teach(command, [["wirescript report echo.bpf.ts", "as root, so that the kernel's own words are in it"]]);
}
