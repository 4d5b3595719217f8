/** Help that teaches by example. */
import type { Command } from "commander";

/** [command line, what it does] */
export type Example = readonly [string, string];

/** Puts examples under a command's help, and further paragraphs under them. */
export function teach(command: Command, examples: readonly Example[], ...paragraphs: string[]): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, meaning]) => `  $ ${line.padEnd(width)}  ${meaning}`.trimEnd());
  return command.addHelpText("after", ["", "Examples:", ...lines, ...paragraphs.flatMap((text) => ["", text])].join("\n"));
}
