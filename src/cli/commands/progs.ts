/** `wirescript progs`: its verbs, options and examples. `../actions/progs.ts` does the work. */
import { Command, Option } from "commander";
import type { DumpOptions } from "../actions/progs-dump.ts";
import { teach } from "../examples.ts";

export function progsCommand(): Command {
  const command = new Command("progs").description("Look at the programs in the kernel, whoever loaded them. Needs root.");
  command.addCommand(listCommand(), { isDefault: true });
  command.addCommand(showCommand());
  command.addCommand(dumpCommand());
  return teach(
    command,
    [
      ["wirescript progs", "all programs: type, name, where attached, age, size"],
      ["wirescript progs --type xdp --json", "for scripts"],
      ["wirescript progs show echo", "one program, by ID, NAME or pinned PATH"],
      ["wirescript progs dump echo", "its instructions, with the source lines between them"],
      ["wirescript progs dump 17 --jit", "its machine code (with llvm-objdump or objdump, when installed)"],
    ],
    "A number is an id, what has a slash is the path of a pin, anything else is a name; id ID, name NAME and pinned PATH say which.",
  );
}

const JSON_OF_PROGRAM =
  "{ id, type, name, tag, loadedAt, uid, instructions, verifiedInstructions, jitedBytes, memory, btfId, maps, attached, pins, runs, runTime }";

function listCommand(): Command {
  return new Command("list")
    .description("list all programs (what progs does without a verb)")
    .option("-t, --type <type>", "only programs of this type, such as xdp or sched_cls")
    .option("--json", `print JSON: [${JSON_OF_PROGRAM}]`)
    .action(async (options: { type?: string; json?: boolean }) => {
      const { listPrograms } = await import("../actions/progs.ts");
      await listPrograms(options);
    });
}

function showCommand(): Command {
  return new Command("show")
    .description("show one program")
    .argument("<program...>", "ID, NAME, or pinned PATH")
    .option("--json", `print JSON: ${JSON_OF_PROGRAM}`)
    .action(async (words: string[], options: { json?: boolean }) => {
      const { showProgram } = await import("../actions/progs.ts");
      await showProgram(words, options);
    });
}

function dumpCommand(): Command {
  return new Command("dump")
    .description("print a program's code, with the lines of its TypeScript or C source")
    .argument("<program...>", "ID, NAME, or pinned PATH")
    .option("--xlated", "eBPF instructions as the verifier left them (default)")
    .addOption(new Option("--jit", "machine code").conflicts("xlated"))
    .option("--no-source", "without source lines")
    .option("--json", "print JSON: [{ slot or offset, text, function, source: { file, line, column, text } }]")
    .action(async (words: string[], options: DumpOptions) => {
      const { dumpProgram } = await import("../actions/progs-dump.ts");
      await dumpProgram(words, options);
    });
}
