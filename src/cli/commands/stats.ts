/** `wirescript stats`: its options and examples. `../actions/stats.ts` does the work. */
import { Command, Option } from "commander";
import type { StatsOptions } from "../actions/stats.ts";
import { teach } from "../examples.ts";
import { positiveNumber, wholePositive } from "../numbers.ts";

export function statsCommand(): Command {
  const command = new Command("stats")
    .description(
      "Show packets and bytes per XDP action, live, from the map xdp_stats_map; without a device, all devices that have an XDP program, and what gets lost behind them. Needs root. Ends with Ctrl-C.",
    )
    .argument("[dev]", "the network device");
  for (const option of statsOptions()) command.addOption(option);
  command.action(async (dev: string | undefined, options: StatsOptions) => {
    if (dev === undefined) {
      const { statsOfAll } = await import("../actions/stats-of-all.ts");
      return statsOfAll(options);
    }
    const { stats } = await import("../actions/stats.ts");
    await stats(dev, options);
  });
  return teach(command, [
    ["wirescript stats", "all devices with XDP programs, ours and others'"],
    ["wirescript stats eth0", "every 2 seconds, until Ctrl-C"],
    ["wirescript stats eth0 --count 1", "one block, after a quarter of a second"],
    ["wirescript stats eth0 --interval 1 --json", "for scripts"],
  ]);
}

export function statsOptions(): Option[] {
  return [
    new Option("-i, --interval <seconds>", "between two blocks (the first comes after 0.25 s)")
      .argParser(positiveNumber)
      .default(2),
    new Option("-c, --count <blocks>", "end after so many blocks").argParser(wholePositive),
    new Option("-p, --pin-path <dir>", "where the map is pinned (default: /sys/fs/bpf/DEV)"),
    new Option("--netns <name>", "the device's network namespace: a name, a process's id, or a path"),
    new Option(
      "--json",
      "one JSON value a line for each block: { dev, mapId, actions: [{ action, packets, bytes, pps, … }] }; of all devices: { seconds, devices: [{ dev, program, actions, received, lost, … }] }",
    ),
  ];
}
