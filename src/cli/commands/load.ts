/** `wirescript load`: its options and examples. `../actions/load.ts` does the work. */
import { Command, Option } from "commander";
import type { LoadCommandOptions } from "../actions/load.ts";
import { teach } from "../examples.ts";
import { wholePositive } from "../numbers.ts";
import { collectSetting } from "../settings.ts";

export function loadCommand(): Command {
  const command = new Command("load")
    .description("Compile, load and attach a program for XDP or TC. It stays attached. Needs root.")
    .argument("<dev>", "the network device")
    .argument("<file>", "a kernel module (*.bpf.ts), or an eBPF object (*.o)");
  for (const option of loadOptions()) command.addOption(option);
  command.action(async (dev: string, file: string, options: LoadCommandOptions) => {
    const { load } = await import("../actions/load.ts");
    await load(dev, file, options);
  });
  return teach(
    command,
    [
      ["wirescript load eth0 echo.bpf.ts", "compile, load, attach in the driver"],
      ["wirescript load --mode auto eth0 echo.bpf.ts", "in the driver, or after it where the driver has no XDP"],
      ["wirescript load --force eth0 drop.bpf.ts", "put it in place of the program that is there"],
      ["wirescript load --prog xdp_pass_func eth0 prog.o", "one program of an object built by clang"],
      ["wirescript load --egress eth0 shape.o", "a TC program of an object, which does not say its direction"],
      ["wirescript load --netns blue eth0 echo.bpf.ts", "in another network namespace"],
      ["wirescript load --follow eth0 echo.bpf.ts", "stay, and attach again whenever eth0 comes back"],
      ["wirescript load --set port=53 eth0 drop-port.bpf.ts", "with a setting of the program replaced"],
      ["ip link set dev eth0 xdp off", "any tool can remove it; so does wirescript unload eth0"],
    ],
    "Maps that are pinned by name go to /sys/fs/bpf/DEV, where bpftool, other loaders and wirescript stats find\n" +
      "them; one that is there already is used again. A device name's dots become underscores: bpffs allows none.",
  );
}

/** The options, and beside them those of the XDP tutorial's loaders, so that its command lines work. */
export function loadOptions(): Option[] {
  const hidden = (flags: string) => new Option(flags).hideHelp();
  return [
    new Option("-m, --mode <mode>", "in the driver, after it, or whichever works")
      .choices(["native", "skb", "hw", "auto"])
      .default("native"),
    new Option("--tc", "a TC program, where the file has XDP programs too"),
    new Option("--ingress", "a TC program, for packets on their way in").conflicts("egress"),
    new Option("--egress", "a TC program, for packets on their way out"),
    new Option("--priority <number>", "of a TC program's filter; the lowest runs first (default: before all others)").argParser(
      wholePositive,
    ),
    new Option("--netns <name>", "the device's network namespace: a name, a process's id, or a path"),
    new Option("--follow", "stay, and attach the program again whenever its device comes back; ends with Ctrl-C"),
    new Option("-n, --prog <name>", "which program, by name; needed when the file has several"),
    new Option("-s, --section <name>", "which program, by ELF section"),
    new Option("-F, --force", "replace a program that is attached (TC: one of the same name or priority)"),
    new Option("-p, --pin-path <dir>", "where to pin maps (default: /sys/fs/bpf/DEV)"),
    new Option("--set <name=value>", "give a setting of the program a value; may be repeated").argParser(collectSetting),
    new Option("-v, --verbose", "print the verifier's whole log when it rejects the program"),
    hidden("--prog-name <name>"),
    hidden("--progname <name>"),
    hidden("--progsec <name>"),
    hidden("-S, --skb-mode").implies({ mode: "skb" }),
    hidden("-N, --native-mode").implies({ mode: "native" }),
    hidden("-A, --auto-mode").implies({ mode: "auto" }),
  ];
}
