/** Wrong command lines. Commander finds them; here they are said as all other failures are: what, why, and what to type instead. */
import type { Command, CommanderError } from "commander";
import { WirescriptError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";

const WHY: Record<string, string> = {
  "commander.unknownCommand": "That is none of the commands.",
  "commander.unknownOption": "The command has no such option.",
  "commander.missingArgument": "The command cannot do without it.",
  "commander.optionMissingArgument": "The option cannot do without its value.",
  "commander.excessArguments": "The command has no use for more.",
  "commander.conflictingOption": "The one says the opposite of the other.",
};

/** The command throws usage errors as a WirescriptError; help and version, which end a command too, as Commander's own. */
export function speaksForItself(command: Command): Command {
  return command.configureOutput({ outputError: () => {} }).exitOverride((error) => {
    throw error.exitCode === 0 || error.code === "commander.help" ? error : usageFailure(error, command);
  });
}

/** `command`: the one whose command line is wrong. */
function usageFailure(error: CommanderError, command: Command): WirescriptError {
  const [first = "", ...more] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = more.join(" ").replace(/^\(|\)$/g, "");
  const path = pathOf(command);
  const usage = command.parent === null ? "" : `Usage: ${path} ${command.usage()}; see `;
  const { what, why, hint } = valueFailure(first) ?? {
    what: `${first.charAt(0).toUpperCase()}${first.slice(1).replace(/\.$/, "")}.`,
    why: WHY[error.code] ?? "The command line does not say what to do in a way that this command knows.",
    hint: suggestion === "" ? "" : `${suggestion} `,
  };
  return new WirescriptError({ code: "USAGE", what, why, fix: `${hint}${usage}${path} --help`, cause: error });
}

/** Of an option or argument that has a wrong value. Its parser's own words stand behind Commander's. */
function valueFailure(message: string): { what: string; why: string; hint: string } | null {
  const [, flags, value = "", why = ""] =
    /^option '([^']*)' argument '(.*)' is invalid\. (.*)$/.exec(message) ??
    /^command-()argument value '(.*)' is invalid for argument '[^']*'\. (.*)$/.exec(message) ??
    [];
  if (flags === undefined) return null;
  const choices = /^Allowed choices are (.*)\.$/.exec(why)?.[1];
  const long = /--[\w-]+/.exec(flags)?.[0] ?? flags;
  const after = flags === "" ? "" : ` after ${long}`;
  return {
    what: `"${value}" is not understood${after}.`,
    why: choices === undefined ? why : `${flags === "" ? "It is" : "What may stand there is"} one of ${choices}.`,
    hint: choices === undefined ? "" : didYouMean(value, choices.split(", ")),
  };
}

/** "wirescript maps dump" */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
