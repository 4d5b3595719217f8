/**
 * Commands with verbs: `wirescript maps dump …`. Without a verb they do what the first one does. Commander takes a verb that it does not know for
 * an argument too many of that one; here it is said which verbs there are.
 */
import type { Command } from "commander";
import { WirescriptError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";

/** Gives a command its verbs; the first is what it does without one. */
export function addVerbs(command: Command, first: Command, ...others: Command[]): Command {
  const names = [first, ...others].map((each) => each.name());
  command.addCommand(first.allowExcessArguments(), { isDefault: true });
  for (const each of others) command.addCommand(each);
  first.hook("preAction", () => {
    const [word] = first.args;
    if (word === undefined) return;
    if (command.args[0] !== first.name()) throw noSuchVerb(command.name(), word, names);
    const room = first.registeredArguments.length;
    if (first.args.length > room) throw tooMuch(`${command.name()} ${first.name()}`, first.args.slice(room));
  });
  return command;
}

/** `names`: the verbs that there are. */
export function noSuchVerb(command: string, word: string, names: readonly string[]): WirescriptError {
  const isObject = /^\d+$/.test(word) || word.includes("/");
  return new WirescriptError({
    code: "USAGE",
    what: `There is no \`${command} ${word}\`.`,
    why: `The verbs of ${command} are ${names.join(", ")}.`,
    fix:
      isObject && names.includes("show")
        ? `To look at ${word}: wirescript ${command} show ${word}`
        : `${didYouMean(word, names)}Examples: wirescript ${command} --help`,
  });
}

function tooMuch(command: string, words: readonly string[]): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `"${words.join(" ")}" is too much for ${command}.`,
    why: "It has no use for more.",
    fix: `See: wirescript ${command} --help`,
  });
}
