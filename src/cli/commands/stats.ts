/** `wirescript stats`: its options and examples. `../actions/stats.ts` does the work. */
import { Command, InvalidArgumentError } from "commander";
import type { StatsOptions } from "../actions/stats.ts";
import { teach } from "../examples.ts";

export function statsCommand(): Command {
  const command = new Command("stats")
    .description("Show packets and bytes per XDP action, live, from the map xdp_stats_map. Needs root. Ends with Ctrl-C.")
    .argument("<dev>", "the network device")
    .option("-i, --interval <seconds>", "between two blocks (the first comes after 0.25 s)", positive, 2)
    .option("-c, --count <blocks>", "end after so many blocks", wholePositive)
    .option("-p, --pin-path <dir>", "where the map is pinned (default: /sys/fs/bpf/DEV)")
    .option(
      "--json",
      "print one JSON value a line for each block: { dev, mapId, actions: [{ action, packets, bytes, pps, … }] }",
    )
    .action(async (dev: string, options: StatsOptions) => {
      const { stats } = await import("../actions/stats.ts");
      await stats(dev, options);
    });
  return teach(command, [
    ["wirescript stats eth0", "every 2 seconds, until Ctrl-C"],
    ["wirescript stats eth0 --count 1", "one block, after a quarter of a second"],
    ["wirescript stats eth0 --interval 1 --json", "for scripts"],
  ]);
}

function positive(text: string): number {
  const value = Number(text);
  // A day: longer than any timer needs to be.
  if (text.trim() !== "" && value > 0 && value <= 86_400) return value;
  throw new InvalidArgumentError("It must be a number of seconds greater than 0, at most 86400.");
}

export function wholePositive(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("It must be a whole number greater than 0.");
}
