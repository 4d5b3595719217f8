/** `wirescript links`: its options and examples. `../actions/links.ts` does the work. */
import { Command } from "commander";
import { teach } from "../examples.ts";

export function linksCommand(): Command {
  const command = new Command("links")
    .description("Show what is attached where, and who holds it: bpf_links, and attachments by netlink and tc. Needs root.")
    .option(
      "--json",
      "print JSON: [{ linkId, type, hook, mode, dev, ifindex, netns, program: { id, name }, filter, pins, processes: [{ pid, command }] }]",
    )
    .action(async (options: { json?: boolean }) => {
      const { links } = await import("../actions/links.ts");
      await links(options);
    });
  return teach(
    command,
    [
      ["wirescript links", "all of them, in all network namespaces that have a name"],
      ["wirescript links --json", "for scripts"],
    ],
    "A link goes when its last holder goes: a process, or a pin. What has no link stays until somebody takes it off.",
  );
}
