/** `wirescript progs`: its verbs, options and examples. `../actions/progs.ts` does the work. */
import { Command, InvalidArgumentError, Option } from "commander";
import { PROGRAM_TYPES } from "../../runtime/program-types.ts";
import { SELECTOR, SELECTOR_HELP } from "../../runtime/selector.ts";
import type { DumpOptions } from "../actions/progs-dump.ts";
import { teach } from "../examples.ts";
import { addVerbs } from "../verbs.ts";

export function progsCommand(): Command {
  const command = new Command("progs").description("Look at the programs in the kernel, whoever loaded them. Needs root.");
  addVerbs(command, listCommand(), showCommand(), dumpCommand());
  return teach(
    command,
    [
      ["wirescript progs", "all programs: type, name, where attached, age, size"],
      ["wirescript progs --type xdp --json", "for scripts"],
      ["wirescript progs show echo", "one program, by ID, NAME or pinned PATH"],
      ["wirescript progs dump echo", "its instructions, with the source lines between them"],
      ["wirescript progs dump 17 --jit", "its machine code (with llvm-objdump or objdump, when installed)"],
    ],
    SELECTOR_HELP,
  );
}

const JSON_OF_PROGRAM =
  "{ id, type, name, tag, loadedAt, uid, gplCompatible, instructions, verifiedInstructions, jitedBytes, memory, btfId, maps, attached, pins, runs, runTime, recursionMisses }";

function listCommand(): Command {
  return new Command("list")
    .description("list all programs (what progs does without a verb)")
    .addOption(new Option("-t, --type <type>", "only programs of this type, such as xdp or sched_cls").argParser(programType))
    .option("--json", `print JSON: [${JSON_OF_PROGRAM}]`)
    .action(async (options: { type?: string; json?: boolean }) => {
      const { listPrograms } = await import("../actions/progs.ts");
      await listPrograms(options);
    });
}

function showCommand(): Command {
  return new Command("show")
    .description("show one program")
    .argument("<program...>", SELECTOR)
    .option("--json", `print JSON: ${JSON_OF_PROGRAM}`)
    .action(async (words: string[], options: { json?: boolean }) => {
      const { showProgram } = await import("../actions/progs.ts");
      await showProgram(words, options);
    });
}

function dumpCommand(): Command {
  return new Command("dump")
    .description("print a program's code, with the lines of its TypeScript or C source")
    .argument("<program...>", SELECTOR)
    .option("--xlated", "eBPF instructions as the verifier left them (default)")
    .addOption(new Option("--jit", "machine code").conflicts("xlated"))
    .option("--no-source", "without source lines")
    .option("--json", "print JSON: [{ slot or offset, text, function, source: { file, line, column, text } }]")
    .action(async (words: string[], options: DumpOptions) => {
      const { dumpProgram } = await import("../actions/progs-dump.ts");
      await dumpProgram(words, options);
    });
}

/** A type that the kernel has and this version does not know is listed as its number: "type 34". */
function programType(text: string): string {
  if (PROGRAM_TYPES.includes(text) || /^type \d+$/.test(text)) return text;
  throw new InvalidArgumentError(`Allowed choices are ${PROGRAM_TYPES.slice(1).join(", ")}.`);
}
