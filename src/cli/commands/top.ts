/** `wirescript top`: its options and examples. `../actions/top.ts` does the work. */
import { Command, Option } from "commander";
import type { TopOptions } from "../actions/top.ts";
import { teach } from "../examples.ts";
import { positiveNumber, wholePositive } from "../numbers.ts";

export function topCommand(): Command {
  const command = new Command("top")
    .description(
      "Show how often programs run, how long they take and what share of a CPU that is, live. Needs root. Ends with Ctrl-C.",
    )
    .addOption(new Option("-i, --interval <seconds>", "between two looks").argParser(positiveNumber).default(1))
    .addOption(new Option("-c, --count <looks>", "end after so many looks").argParser(wholePositive))
    .addOption(new Option("--once", "end after the first look").implies({ count: 1 }))
    .option("-a, --all", "also programs that did not run")
    .option(
      "--json",
      "one JSON value a line for each look: { seconds, programs: [{ id, type, name, runs, runsPerSecond, nanosecondsPerRun, cpuShare }] }",
    )
    .action(async (options: TopOptions) => {
      const { top } = await import("../actions/top.ts");
      await top(options);
    });
  return teach(
    command,
    [
      ["wirescript top", "live; the busiest program first"],
      ["wirescript top --once --interval 10", "one average over ten seconds"],
      ["wirescript top --once --json", "for scripts"],
    ],
    "The kernel counts only while this runs: counting costs each run of each program about 20 ns.",
  );
}
