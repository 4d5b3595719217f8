/** `wirescript run`: its options and examples. `../actions/run.ts` does the work. */
import { Command, Option } from "commander";
import type { RunCommandOptions } from "../actions/run.ts";
import { teach } from "../examples.ts";
import { wholeNumber, wholePositive } from "../numbers.ts";
import { collectSetting } from "../settings.ts";

export function runCommand(): Command {
  const command = new Command("run")
    .description("Run a program on packets of your own, without any device, and show what it did to them. Needs root.")
    .argument("<program...>", "a kernel module (*.bpf.ts), an object (*.o), or a program in the kernel: ID, NAME, pinned PATH")
    .option(
      "-p, --packet <packet>",
      "the packet: hexadecimal bytes, or its layers, such as eth/ip(dst=10.0.0.2)/udp(dport=53)/payload",
    )
    .option("--pcap <file>", "the packets of a capture file (pcap, pcapng); - is the standard input")
    .addOption(new Option("--number <n>", "only this packet of the file, counted from 1").argParser(wholePositive))
    .addOption(
      new Option("-r, --repeat <times>", "run so often, for measuring; the packet is not restored in between").argParser(
        wholePositive,
      ),
    )
    .option("--in <dev>", "the device that the packet comes from")
    .option("--netns <name>", "that device's network namespace: a name, a process's id, or a path")
    .addOption(new Option("--cpu <n>", "run on this CPU").argParser(wholeNumber))
    .addOption(new Option("-n, --prog <name>", "which program of the file, by name"))
    .addOption(new Option("-s, --section <name>", "which program of the file, by ELF section"))
    .addOption(
      new Option("--set <name=value>", "give a setting of the program a value; may be repeated").argParser(collectSetting),
    )
    .option("--all", "with several packets, show each in full")
    .option("-o, --output <file>", "write the packets as the program left them into a pcap file; - is the standard output")
    .option("--json", "print JSON: { program, packets: [{ verdict, action, nanoseconds, before, after, changes, hex }], maps }")
    .action(async (program: string[], options: RunCommandOptions) => {
      const { run } = await import("../actions/run.ts");
      await run(program, options);
    });
  return teach(
    command,
    [
      ['wirescript run echo.bpf.ts -p "eth/ip/icmp/payload"', "a ping; what comes back?"],
      ['wirescript run router.bpf.ts -p "eth/vlan(id=5)/ip6/tcp(flags=SYN)"', "any layers, any fields"],
      ["wirescript run 17 -p 'ffffffffffff 020000000001 0806 …'", "a program in the kernel, a packet in hexadecimal"],
      ["wirescript run pinned /sys/fs/bpf/x --pcap trace.pcap", "each packet of a capture, and how many got which verdict"],
      ["wirescript run drop.bpf.ts -p eth/ip/udp --repeat 1000000", "nanoseconds per run"],
    ],
    [
      "Layers: eth vlan arp ip ip6 hopopts dstopts routing frag6 icmp icmp6 udp tcp gre vxlan geneve, and payload last:",
      'payload, payload(text="hi"), payload(hex=6869), payload(length=100). Fields are named as in wirescript/net, or shortly',
      "(sport, dport, proto, len, seq, chksum …); options=HEX adds options. Types, lengths and checksums are computed unless given.",
    ].join("\n"),
  );
}
