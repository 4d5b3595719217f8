/**
 * `./xdp2skb_meta.sh --dev DEV`, the kernel's sample script: puts xdp_mark on a device's XDP hook and tc_mark on its TC ingress hook. It calls
 * `tc` and `ip` as the sample does (`$TC` and `$IP` name others), so `--dry-run` shows what a reader would type.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type OptionSpec, parseOptions } from "../../../tutorials/getopt.ts";
import { whileAlone } from "../../network.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { say } from "../../terminal.ts";
import type { ToolCall } from "./run.ts";
import { ToolFailure } from "./tool-failure.ts";

const STATUS = { OK: 0, OPTION: 2, NO_FILE: 3, GETOPT: 4 } as const;

const OPTIONS: readonly OptionSpec[] = [
  { short: "d", long: "dev", argument: "<dev>", help: "" },
  { short: "v", long: "verbose", help: "" },
  { short: "f", long: "flush", help: "" },
  { short: "h", long: "help", help: "" },
  { long: "list", help: "" },
  { long: "dry-run", help: "" },
];

const usage = (name: string) =>
  [
    `Usage: ${name} [-vfh] --dev ethX`,
    "-d | --dev     :             Network device (required)",
    "--flush        :             Cleanup flush TC and XDP progs",
    "--list         : ($LIST)     List TC and XDP progs",
    "-v | --verbose : ($VERBOSE)  Verbose",
    "--dry-run      : ($DRYRUN)   Dry-run only (echo commands)",
    "",
  ].join("\n");

export async function xdp2skbMeta({ name, args, configuration: [file = "xdp2skb_meta_kern.o"] }: ToolCall): Promise<number> {
  const { values, operands, problem } = parseOptions(OPTIONS, args);
  if (problem !== null || operands.length > 0) {
    const what = `${name}: ${problem ?? `"${operands.join(" ")}" is no option`}`;
    throw new ToolFailure({ status: STATUS.GETOPT, what, fix: `See its options: ${name} --help` });
  }
  if (values.has("help")) {
    say(usage(name));
    return STATUS.OK;
  }
  const asked = (option: string, variable: string) => values.has(option) || Boolean(process.env[variable]);
  const dryRun = asked("dry-run", "DRYRUN");
  const run = runner({ dryRun, verbose: dryRun || asked("verbose", "VERBOSE") });
  if (!existsSync(file)) {
    throw new ToolFailure({
      status: STATUS.NO_FILE,
      what: `ERROR: Missing BPF object file (${file})`,
      why: "It has not been built, or this is not its directory.",
      fix: "Run make in samples/bpf.",
    });
  }
  const dev = values.get("dev");
  if (dev === undefined) {
    throw new ToolFailure({
      status: STATUS.OPTION,
      what: `${usage(name)}\nERROR: Please specify network device -- required option --dev`,
      fix: `For example: ${name} --dev eth0`,
    });
  }
  if (!dryRun) await mustBeAbleTo("attach programs");
  if (asked("list", "LIST")) {
    run("tc", "filter", "show", "dev", dev, "ingress");
    run("ip", "link", "show", "dev", dev);
  } else {
    const work = () => (values.has("flush") ? takeOff(dev, run) : putOn(dev, file, run));
    await (dryRun ? work() : whileAlone(work));
  }
  return STATUS.OK;
}

function takeOff(dev: string, run: Runner): void {
  run("tc", "filter", "del", "dev", dev, "ingress");
  run("tc", "qdisc", "del", "dev", dev, "clsact");
  run("ip", "link", "set", "dev", dev, "xdp", "off");
}

function putOn(dev: string, file: string, run: Runner): void {
  run.allowingFailure("tc", "qdisc", "del", "dev", dev, "clsact");
  run("tc", "qdisc", "add", "dev", dev, "clsact");
  run("tc", ..."filter add dev".split(" "), dev, ..."ingress prio 1 handle 1 bpf da obj".split(" "), file, "sec", "tc_mark");
  run("ip", "link", "set", "dev", dev, "xdp", "off");
  run("ip", "link", "set", "dev", dev, "xdp", "obj", file, "sec", "xdp_mark");
}

type Run = (tool: "tc" | "ip", ...args: string[]) => void;

type Runner = Run & { allowingFailure: Run };

function runner({ dryRun, verbose }: { dryRun: boolean; verbose: boolean }): Runner {
  const call = (tool: "tc" | "ip", args: string[], mayFail: boolean): void => {
    const command = process.env[tool.toUpperCase()] ?? tool;
    if (verbose) say([command, ...args].join(" "));
    if (dryRun) return;
    const { status, error } = spawnSync(command, args, { stdio: ["ignore", "inherit", mayFail ? "ignore" : "inherit"] });
    if (mayFail || status === 0) return;
    throw new ToolFailure({
      status: STATUS.OPTION,
      what: `ERROR: Exec error(${status ?? error?.message}) occurred cmd: "${[command, ...args].join(" ")}"`,
      why: error === undefined ? "What it said stands above." : `${command} cannot be run.`,
      fix: "Check the device's name; --verbose prints every command.",
    });
  };
  const run = (tool: "tc" | "ip", ...args: string[]) => call(tool, args, false);
  return Object.assign(run, { allowingFailure: (tool: "tc" | "ip", ...args: string[]) => call(tool, args, true) });
}
