/** `wirescript features`: its options and examples. `../actions/features.ts` does the work. */
import { Command } from "commander";
import { teach } from "../examples.ts";

export function featuresCommand(): Command {
  const command = new Command("features")
    .description("Show what this kernel, and a device's driver, can do for packet programs: found out by trying. Needs root.")
    .argument("[dev]", "also what this device and its driver can do")
    .option("--netns <name>", "the device's network namespace: a name, a process's id, or a path")
    .option("--helpers", "list the helper functions of XDP and TC programs")
    .option(
      "--json",
      "print JSON: { kernel: { release, instructionSet, jit, attaching, mapTypes, programTypes, helpers, … }, device }",
    )
    .action(async (dev: string | undefined, options: { helpers?: boolean; json?: boolean; netns?: string }) => {
      const { features } = await import("../actions/features.ts");
      await features(dev, options);
    });
  return teach(command, [
    ["wirescript features", "this kernel"],
    ["wirescript features eth0", "and what eth0's driver can do: native XDP, frags, AF_XDP without copies"],
    ["wirescript features --json", "for scripts"],
  ]);
}
