/** `wirescript status`: its options and examples. `../actions/status.ts` does the work. */
import { Command } from "commander";
import { teach } from "../examples.ts";

export function statusCommand(): Command {
  const command = new Command("status")
    .description("Show which programs for XDP and TC are on which devices, whoever attached them. Needs root.")
    .argument("[dev]", "only this device")
    .option(
      "--json",
      "print JSON: [{ dev, ifindex, programs: [{ hook, mode, name, id, tag, loadedAt, linkId, holders, filter, maps }] }]",
    )
    .option("--netns <name>", "of another network namespace: a name, a process's id, or a path")
    .action(async (dev: string | undefined, options: { json?: boolean; netns?: string }) => {
      const { status } = await import("../actions/status.ts");
      await status(dev, options);
    });
  return teach(command, [
    ["wirescript status", "all devices of this network namespace"],
    ["wirescript status eth0 --json", "one device, for scripts"],
  ]);
}
