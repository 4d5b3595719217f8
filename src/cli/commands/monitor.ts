/** `wirescript monitor`: its options and examples. `../actions/monitor.ts` does the work. */
import { Command, Option } from "commander";
import type { MonitorOptions } from "../actions/monitor.ts";
import { teach } from "../examples.ts";
import { positiveNumber, wholePositive } from "../numbers.ts";

export function monitorCommand(): Command {
  const command = new Command("monitor")
    .description(
      "Show where packets get lost in XDP and why, live, from the kernel's tracepoints: aborted packets, redirects that fail, devices and CPUs that drop. Needs root. Ends with Ctrl-C.",
    )
    .argument("[devices...]", "only events of these devices (default: of the whole machine, all network namespaces)")
    .addOption(new Option("-i, --interval <seconds>", "between two looks").argParser(positiveNumber).default(2))
    .addOption(new Option("-c, --count <looks>", "end after so many looks").argParser(wholePositive))
    .option("-s, --redirects", "count the redirects that go well, too: one event a packet, which costs 100 to 200 ns each")
    .option("--netns <name>", "only events of this network namespace's devices: a name, a process's id, or a path")
    .option(
      "--json",
      "one JSON value a line for each look: { seconds, uncounted, counts: [{ event, action, error, device, target, program, lostPackets, why, fix, … }] }",
    )
    .action(async (devices: string[], options: MonitorOptions) => {
      const { monitor } = await import("../actions/monitor.ts");
      await monitor(devices, options);
    });
  return teach(
    command,
    [
      ["wirescript monitor", "everything on this machine, every 2 seconds"],
      ["wirescript monitor eth0 --interval 1", "what concerns eth0"],
      ["wirescript monitor --redirects", "also what goes well"],
      ["wirescript monitor --count 1 --json", "for scripts"],
    ],
    "Tracepoints see all network namespaces. A device of another one is written NAMESPACE/DEVICE, where NAMESPACE is what --netns takes: a name, or a process's id.",
  );
}
