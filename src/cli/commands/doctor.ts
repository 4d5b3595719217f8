/** `wirescript doctor`: its options and examples. `../actions/doctor.ts` does the work. */
import { Command, Option } from "commander";
import type { DoctorOptions } from "../actions/doctor.ts";
import { teach } from "../examples.ts";
import type { Finish } from "../finish.ts";
import { packetLength, positiveNumber } from "../numbers.ts";

export function doctorCommand(finish: Finish): Command {
  const command = new Command("doctor")
    .description("Say why packets vanish, and which command mends it. Changes nothing without --fix. Needs root.")
    .argument("[dev...]", "devices to look at (default: all that have a program, here, in labs and in containers)")
    .option("--fix", "run the commands that are safe, after asking for each")
    .addOption(new Option("--yes", "with --fix: do not ask").implies({ fix: true }))
    .option(
      "--json",
      "print JSON: { devices, findings: [{ id, place: { netns, dev }, what, evidence, why, fix: { command, safe } }] }",
    )
    .addOption(
      new Option("--watch <seconds>", "count meanwhile what the kernel loses in XDP, and why")
        .argParser(positiveNumber)
        .conflicts("packet"),
    )
    .option("--packet <packet>", 'where one packet goes, and what stops it: "10.11.1.2 > 10.11.2.2"')
    .option("--in <dev>", "with --packet: the device that it comes in by (default: the one by which the sender is reached)")
    .addOption(new Option("--length <bytes>", "with --packet: how long it is, to see whether it fits").argParser(packetLength))
    .option("--netns <name>", "of another network namespace: a name, a process's id, or a path")
    .action(async (devices: string[], options: DoctorOptions) => {
      const { doctor } = await import("../actions/doctor.ts");
      finish(await doctor(devices, options));
    });
  return teach(
    command,
    [
      ["wirescript doctor eth0", "what could make packets vanish at eth0, at its other end, and where it redirects to"],
      ["wirescript doctor", "the same for all devices that have a program, in all network namespaces"],
      ["wirescript doctor --netns blue veth0", "in another network namespace"],
      [
        "wirescript doctor eth0 --watch 10",
        "and what gets lost there in the next ten seconds, by the kernel's own tracepoints",
      ],
      ['wirescript doctor --packet "10.11.1.2 > 10.11.2.2"', "where a packet goes, and what stops it on its way"],
      ["wirescript doctor eth0 --fix", "run the safe commands, after asking"],
      ["wirescript doctor eth0 --json", "for scripts"],
    ],
    "Exit status: 0 without findings, 1 with findings. What each finding means: docs/doctor.md",
  );
}
