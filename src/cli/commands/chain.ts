/** `wirescript chain`: its verbs, options and examples. `../actions/chain.ts` does the work. */
import { Command, Option } from "commander";
import type { ChainOptions } from "../actions/chain.ts";
import { teach } from "../examples.ts";
import { addVerbs } from "../verbs.ts";

export function chainCommand(): Command {
  const command = new Command("chain").description(
    "Several programs on one device, one after the other, in an order that changes while packets flow. Needs root.",
  );
  addVerbs(command, showCommand(), attachCommand(), arrangeCommand(), detachCommand());
  return teach(
    command,
    [
      ["wirescript chain attach eth0 guard.bpf.ts meter.o", "guard first; what it passes goes on to meter"],
      ["wirescript chain show eth0", "the programs in their order"],
      ["wirescript chain arrange eth0 meter guard", "each packet meets the old order or the new one, none a mixture"],
      ["wirescript chain arrange eth0 meter limit.bpf.ts", "guard leaves, limit comes"],
      ["wirescript chain attach eth0 prog.o#first prog.o#second", "programs of an object that has several"],
      ["wirescript chain attach eth0 a.bpf.ts b.bpf.ts --goes-on XDP_PASS,XDP_TX", "b also sees what a would send back"],
      ["wirescript chain detach eth0", "take all of them off"],
    ],
    "A program goes on to the next by XDP_PASS (TC: TC_ACT_OK, TC_ACT_UNSPEC, TC_ACT_PIPE); any other verdict is the chain's.\n" +
      "The chain is pinned in /sys/fs/bpf/DEV/chain and stays until it is detached. See docs/attaching.md.",
  );
}

function common(command: Command): Command {
  return command
    .option("--netns <name>", "the device's network namespace: a name, a process's id, or a path")
    .addOption(new Option("--ingress", "of TC programs, for packets on their way in").conflicts("egress"))
    .option("--egress", "of TC programs, for packets on their way out");
}

function goesOn(): Option {
  return new Option("--goes-on <verdicts>", "after which verdicts of the new programs the next one runs").argParser((text) =>
    text.split(","),
  );
}

function showCommand(): Command {
  return common(new Command("show"))
    .description("the programs of a device's chain, in their order")
    .argument("<dev>", "a network device")
    .option("--json", "print JSON: { dev, direction, pinnedAt, steps: [{ name, programIds }] }")
    .action(async (dev: string, options: ChainOptions) => {
      const { show } = await import("../actions/chain.ts");
      await show(dev, options);
    });
}

function attachCommand(): Command {
  return common(new Command("attach"))
    .description("load programs and attach them as a chain")
    .argument("<dev>", "a network device")
    .argument("<file...>", "kernel modules (*.bpf.ts) or objects, in their order; FILE#PROGRAM where a file has several")
    .addOption(
      new Option("-m, --mode <mode>", "of XDP: in the driver, after it, or whichever works")
        .choices(["native", "skb", "auto"])
        .default("native"),
    )
    .addOption(goesOn())
    .action(async (dev: string, files: string[], options: ChainOptions) => {
      const { attachTo } = await import("../actions/chain.ts");
      await attachTo(dev, files, options);
    });
}

function arrangeCommand(): Command {
  return common(new Command("arrange"))
    .description("put a chain into another order, take programs out, put others in")
    .argument("<dev>", "a network device")
    .argument("<program...>", "names of programs in the chain, and files of new ones, in the new order")
    .addOption(goesOn())
    .action(async (dev: string, words: string[], options: ChainOptions) => {
      const { arrange } = await import("../actions/chain.ts");
      await arrange(dev, words, options);
    });
}

function detachCommand(): Command {
  return common(new Command("detach"))
    .description("take a chain off its device, and remove its pins")
    .argument("<dev>", "a network device")
    .action(async (dev: string, options: ChainOptions) => {
      const { detachFrom } = await import("../actions/chain.ts");
      await detachFrom(dev, options);
    });
}
