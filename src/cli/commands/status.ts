/** `wirescript status`: its options and examples. `../actions/status.ts` does the work. */
import { Command } from "commander";
import { teach } from "../examples.ts";

export function statusCommand(): Command {
  const command = new Command("status")
    .description("Show which XDP programs are on which devices, whoever attached them. Needs root.")
    .argument("[dev]", "only this device")
    .option("--json", "print JSON: [{ dev, ifindex, programs: [{ mode, name, id, tag, loadedAt, linkId, maps }] }]")
    .action(async (dev: string | undefined, options: { json?: boolean }) => {
      const { status } = await import("../actions/status.ts");
      await status(dev, options);
    });
  return teach(command, [
    ["wirescript status", "all devices of this network namespace"],
    ["wirescript status eth0 --json", "one device, for scripts"],
  ]);
}
