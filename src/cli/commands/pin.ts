/** `wirescript pin` and `wirescript unpin`: their arguments and examples. `../actions/pin.ts` does the work. */
import { Argument, Command } from "commander";
import { SELECTOR, SELECTOR_HELP } from "../../runtime/selector.ts";
import type { PinKind } from "../actions/pin.ts";
import { teach } from "../examples.ts";

const KINDS: readonly PinKind[] = ["prog", "map", "link"];

export function pinCommand(): Command {
  const command = new Command("pin")
    .description("Keep a program, map or link alive by a file in the BPF file system, also without its process. Needs root.")
    .usage("[options] prog|map|link WHICH PATH")
    .addArgument(new Argument("<kind>", "what is to be pinned").choices(KINDS))
    .argument("<which...>", `${SELECTOR}; then a path under /sys/fs/bpf, whose directories are made`)
    .action(async (kind: PinKind, words: string[]) => {
      const { pin } = await import("../actions/pin.ts");
      await pin(kind, words);
    });
  return teach(
    command,
    [
      ["wirescript pin link 7 /sys/fs/bpf/mine/link", "the attachment outlives the process that made it"],
      ["wirescript pin map flows /sys/fs/bpf/mine/flows", "the map, with its contents, by its name"],
      ["wirescript pin prog pinned /sys/fs/bpf/a /sys/fs/bpf/b", "a second pin of what is pinned"],
    ],
    SELECTOR_HELP,
  );
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
