/**
 * The `wirescript` command. Commands import what they need when they run: the compiler and the FFI are heavy, and `--help` must be quick
 * and work anywhere.
 */
import { Command, CommanderError } from "commander";
import { type ErrorCode, EXIT_MEANING, EXIT_STATUS } from "../errors.ts";
import { version } from "../package.ts";
import { balancerCommand } from "./commands/balancer.ts";
import { buildCommand } from "./commands/build.ts";
import { chainCommand } from "./commands/chain.ts";
import { checkCommand } from "./commands/check.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { featuresCommand } from "./commands/features.ts";
import { labCommand } from "./commands/lab.ts";
import { linksCommand } from "./commands/links.ts";
import { loadCommand } from "./commands/load.ts";
import { mapsCommand } from "./commands/maps.ts";
import { monitorCommand } from "./commands/monitor.ts";
import { pinCommand, unpinCommand } from "./commands/pin.ts";
import { progsCommand } from "./commands/progs.ts";
import { reportCommand } from "./commands/report.ts";
import { runCommand } from "./commands/run.ts";
import { statsCommand } from "./commands/stats.ts";
import { statusCommand } from "./commands/status.ts";
import { topCommand } from "./commands/top.ts";
import { traceCommand } from "./commands/trace.ts";
import { tutorialCommand } from "./commands/tutorial.ts";
import { typesCommand } from "./commands/types.ts";
import { unloadCommand } from "./commands/unload.ts";
import { teach } from "./examples.ts";
import { reportFailure } from "./failure.ts";
import type { Finish } from "./finish.ts";
import { startQuickly } from "./own-code.ts";
import { speaksForItself } from "./usage.ts";

/** Runs the command line (without node and script) and returns the exit status; what is to be said has been printed. */
export async function main(argv: readonly string[]): Promise<number> {
  startQuickly();
  const { debug, rest } = takeDebug(argv);
  let status = 0;
  const program = wirescript((value) => {
    status = value;
  });
  try {
    if (rest.length === 0) program.help({ error: true });
    await program.parseAsync(rest, { from: "user" });
    return status;
  } catch (error) {
    // Help and version: they are no failures, unless nothing was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_STATUS.USAGE;
    return reportFailure(error, debug);
  }
}

/** All commands. `finish` is told the exit status of those that do not fail. */
export function wirescript(finish: Finish): Command {
  const program = new Command("wirescript")
    .description(
      "XDP for TypeScript: packet programs in TypeScript, compiled to eBPF, run by the Linux kernel in the network driver.",
    )
    .version(version(), "-V, --version")
    .option("--debug", "with an error, print its stack too (every command takes it)");
  for (const command of [
    demoCommand(),
    checkCommand(finish),
    buildCommand(),
    typesCommand(),
    loadCommand(),
    unloadCommand(),
    chainCommand(),
    statusCommand(),
    statsCommand(),
    doctorCommand(finish),
    pinCommand(),
    unpinCommand(),
    runCommand(),
    progsCommand(),
    mapsCommand(),
    linksCommand(),
    featuresCommand(),
    traceCommand(),
    topCommand(),
    monitorCommand(),
    labCommand(finish),
    balancerCommand(),
    tutorialCommand(finish),
    reportCommand(),
  ]) {
    program.addCommand(command);
  }
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    speaksForItself(command).helpOption("-h, --help", "show this help");
  }
  return teach(
    program,
    [
      ["wirescript demo", "see it work: a lab, a program that answers pings, real packets"],
      ["wirescript check echo.bpf.ts", "what is wrong with it, with line, reason and remedy"],
      ["wirescript load eth0 echo.bpf.ts", "compile, load, attach"],
      ["wirescript stats eth0", "what it does, live"],
      ["wirescript doctor eth0", "why packets vanish, and what to do about it"],
      ["wirescript unload eth0", "take it off again"],
      ["wirescript run echo.bpf.ts -p eth/ip/icmp", "what it does to a packet, without any device"],
      ["wirescript progs", "what is in the kernel; likewise maps, links, features"],
      ["wirescript COMMAND --help", "more examples"],
    ],
    exitStatuses(),
  );
}

function exitStatuses(): string {
  const rows = (Object.keys(EXIT_STATUS) as ErrorCode[]).map(
    (code) => `  ${String(EXIT_STATUS[code]).padStart(3)}  ${EXIT_MEANING[code]}`,
  );
  return ["Exit status:", "    0  it worked", ...rows].join("\n");
}

/** `--debug` may stand anywhere before `--`; what follows that belongs to a child process. */
function takeDebug(argv: readonly string[]): { debug: boolean; rest: string[] } {
  const end = argv.indexOf("--");
  const own = end < 0 ? argv : argv.slice(0, end);
  const rest = own.filter((argument) => argument !== "--debug");
  return { debug: rest.length < own.length, rest: [...rest, ...(end < 0 ? [] : argv.slice(end))] };
}
