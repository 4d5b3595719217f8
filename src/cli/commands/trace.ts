/** `wirescript trace`: its options and examples. `../actions/trace.ts` does the work. */
import { Command, Option } from "commander";
import type { TraceOptions } from "../actions/trace.ts";
import { teach } from "../examples.ts";
import { wholePositive } from "../numbers.ts";

export function traceCommand(): Command {
  const command = new Command("trace")
    .description("Print what programs say with trace`…` (bpf_printk in C), as it comes, until Ctrl-C. Needs root.")
    .option("-f, --follow", "go on until Ctrl-C (what it does anyway)")
    .option("--no-follow", "print what is there, and end")
    .addOption(new Option("-c, --count <lines>", "end after so many lines").argParser(wholePositive))
    .option("--all", "also lines of other tracers that somebody has switched on")
    .option("--json", "one JSON value a line: { at, cpu, task, pid, event, message }, or { cpu, lost }")
    .action(async (options: TraceOptions) => {
      const { trace } = await import("../actions/trace.ts");
      await trace(options);
    });
  return teach(
    command,
    [
      ["wirescript trace", "live"],
      ["wirescript trace --count 1 --json", "the next line, for scripts"],
      ["wirescript trace --no-follow", "what has been said since somebody last read it"],
    ],
    "All programs share one trace, and each line goes to one reader. Where tracefs is not mounted it is mounted at /sys/kernel/tracing.",
  );
}
