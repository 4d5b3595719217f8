/** `wirescript pin` and `wirescript unpin`: their arguments and examples. `../actions/pin.ts` does the work. */
import { Command, Option } from "commander";
import { teach } from "../examples.ts";

export function pinCommand(): Command {
  const command = new Command("pin")
    .description("Keep a program, map or link alive by a file in the BPF file system, also without its process. Needs root.")
    .argument("<kind>", "prog, map or link")
    .argument("<id>", "its id in the kernel")
    .argument("<path>", "a path under /sys/fs/bpf; directories are made")
    .addOption(new Option("--netns <name>", "the network namespace of a link's device: a name, a process's id, or a path"))
    .action(async (kind: string, id: string, path: string, options: { netns?: string }) => {
      const { pin } = await import("../actions/pin.ts");
      await pin(kind, id, path, options);
    });
  return teach(command, [
    ["wirescript pin link 7 /sys/fs/bpf/mine/link", "the attachment outlives the process that made it"],
    ["wirescript pin map 12 /sys/fs/bpf/mine/counters", "the map, with its contents"],
  ]);
}

export function unpinCommand(): Command {
  const command = new Command("unpin")
    .description("Remove pins, and say what they kept. Needs root.")
    .argument("<path...>", "paths of pins")
    .action(async (paths: string[]) => {
      const { unpin } = await import("../actions/pin.ts");
      await unpin(paths);
    });
  return teach(command, [
    ["wirescript unpin /sys/fs/bpf/mine/link", "a link's program is taken off, unless a process holds the link too"],
  ]);
}
