/** `wirescript unload`: its options and examples. `../actions/unload.ts` does the work. */
import { Command, Option } from "commander";
import { SELECTOR } from "../../runtime/selector.ts";
import type { UnloadOptions } from "../actions/unload.ts";
import { teach } from "../examples.ts";

export function unloadCommand(): Command {
  const command = new Command("unload")
    .description("Take the program off a device, whoever attached it, and remove the pins of its maps. Needs root.")
    .argument("<dev>", "the network device");
  for (const option of unloadOptions()) command.addOption(option);
  command.action(async (dev: string, options: UnloadOptions) => {
    const { unload } = await import("../actions/unload.ts");
    await unload(dev, options);
  });
  return teach(command, [
    ["wirescript unload eth0", "says what was removed, in which mode"],
    ["wirescript unload eth0 --ingress", "the TC program; with --prog NAME where there are several"],
    ["wirescript unload eth0 --keep-pins", "counters stay in /sys/fs/bpf/eth0"],
  ]);
}

export function unloadOptions(): Option[] {
  return [
    new Option("-m, --mode <mode>", "only if it is attached in this mode").choices(["native", "skb", "hw"]),
    new Option("--tc", "a TC program instead of the XDP program"),
    new Option("--ingress", "a TC program, of the way in").conflicts("egress"),
    new Option("--egress", "a TC program, of the way out"),
    new Option("-n, --prog <name>", `which TC program: ${SELECTOR}; needed when there are several`),
    new Option("--netns <name>", "the device's network namespace: a name, a process's id, or a path"),
    new Option("-F, --force", "also a program that a running process or a pin holds by a bpf_link"),
    new Option("--keep-pins", "leave the pinned maps, with their contents, for the next load"),
    new Option("-p, --pin-path <dir>", "where its maps are pinned (default: /sys/fs/bpf/DEV)"),
    new Option("-a, --all", "as xdp-loader has it; it is what happens anyway"),
  ];
}
