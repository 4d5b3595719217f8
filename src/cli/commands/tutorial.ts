/** `wirescript tutorial`: its verbs and examples. `../actions/tutorial.ts` does the work. */
import { Command, Option } from "commander";
import type { TutorialOptions } from "../actions/tutorial.ts";
import { teach } from "../examples.ts";
import type { Finish } from "../finish.ts";

export function tutorialCommand(finish: Finish): Command {
  const command = new Command("tutorial")
    .description(
      "Workspaces for well-known XDP lessons: their programs in TypeScript, and commands under the names that they use.",
    )
    .usage("list | new NAME [DIR]")
    .argument("[verb]", "list: which there are; new: make one")
    .argument("[args...]")
    .option("--json", "list: as JSON, [{ name, title }]")
    .addOption(new Option("--with <file>").hideHelp())
    .action(async (verb: string | undefined, args: string[], options: TutorialOptions) => {
      if (verb === undefined) return command.help({ error: true });
      const { tutorial } = await import("../actions/tutorial.ts");
      finish(await tutorial(verb, args, options));
    });
  return teach(command, [
    ["wirescript tutorial list", "the lessons"],
    ["wirescript tutorial new packet03", "a folder packet03, with a README that walks through it"],
    ["wirescript tutorial new csur ~/csur", "somewhere else"],
  ]);
}
