/** `wirescript build`: its options and examples. `../actions/build.ts` does the work. */
import { Command, InvalidArgumentError, Option } from "commander";
import type { BuildOptions } from "../actions/build.ts";
import { teach } from "../examples.ts";

export function buildCommand(): Command {
  const command = new Command("build")
    .description("Compile a kernel module to a standard eBPF object. Needs no root and no kernel.")
    .argument("<file>", "a kernel module (*.bpf.ts)")
    .option("-o, --output <file>", "where to write; - is the standard output (default: NAME.o in this directory)")
    .addOption(new Option("--emit <form>", "print text instead of writing an object").choices(["ir", "asm"]))
    .addOption(
      new Option("--cpu <version>", "instruction set, as clang's -mcpu: v1 to v4")
        .argParser(cpu)
        .default(3, "v3, Linux 5.1 and newer"),
    )
    .option(
      "--license <text>",
      'what the object says of its license (default: "Dual MIT/GPL", with which the kernel lets it call every helper)',
    )
    .action(async (file: string, options: BuildOptions) => {
      const { build } = await import("../actions/build.ts");
      build(file, options);
    });
  return teach(command, [
    ["wirescript build echo.bpf.ts -o echo.o", "an object for ip, bpftool, xdp-loader and libbpf"],
    ["ip link set dev eth0 xdp obj echo.o sec xdp", "for example"],
    ["wirescript build echo.bpf.ts --emit asm", "the instructions, as the kernel's verifier prints them"],
    ["wirescript build echo.bpf.ts --emit ir", "the compiler's own form, after optimisation"],
  ]);
}

function cpu(version: string): number {
  const match = /^v([1-4])$/.exec(version);
  if (match === null) throw new InvalidArgumentError("Allowed are v1, v2, v3 and v4.");
  return Number(match[1]);
}
