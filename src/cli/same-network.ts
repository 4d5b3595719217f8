/**
 * The commands that our failures tell the user to run act where this one did: what is to be done about `load --netns blue eth0` must not take a
 * program off the eth0 of the user's own namespace.
 */
import { shellWord } from "./own-command.ts";

let entered: string | null = null;

/** From now on this command works in the namespace that `--netns` named so. */
export function rememberNetwork(netns: string): void {
  entered = netns;
}

/** The text with `--netns` in each of our commands that takes it and acts on a device. */
export function inSameNetwork(text: string): string {
  if (entered === null) return text;
  const option = `--netns ${shellWord(entered)}`;
  return text.replaceAll(
    /\bwirescript (?:load|unload|stats|status|chain (?:show|attach|arrange|detach))\b(?! --netns)/g,
    (command) => `${command} ${option}`,
  );
}
