/** The examples that `--help` shows: each is a command line that the command understands. */
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { wirescript } from "./main.ts";

const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

/** The words of a shell's command line, without expansion. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"((?:\\.|[^"])*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? "",
  );
}

/** As everybody types them; `t` is what `wirescript lab alias` makes. */
const examples = all(wirescript(() => {})).flatMap((command) =>
  [...helpOf(command).matchAll(/^ {2}\$ (?:wirescript|(t)) (\S.*?)(?: {2,}.*)?$/gm)].map(([, lab, line = ""]) =>
    lab === undefined ? line : `lab ${line}`,
  ),
);

describe("examples of --help", () => {
  test("are there", () => expect(examples.length).toBeGreaterThan(50));

  test.each([...new Set(examples)].filter((line) => !line.startsWith("COMMAND")))("wirescript %s", async (line) => {
    const program = wirescript(() => {});
    let ran = 0;
    for (const command of all(program)) command.action(() => void ran++);
    await program.parseAsync(words(line), { from: "user" });
    expect(ran).toBe(1);
  });
});

test("every verb and option is explained", () => {
  for (const command of all(wirescript(() => {}))) {
    expect(`${command.name()}: ${command.description()}`).toMatch(/: \S/);
    for (const option of command.options.filter(({ hidden }) => !hidden)) {
      expect(`${command.name()} ${option.flags}: ${option.description}`).toMatch(/: \S/);
    }
  }
});
