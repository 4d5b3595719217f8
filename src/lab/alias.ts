/** The shell alias that makes a lab's commands short. */
import { MESSAGES } from "./messages.ts";

export interface Alias {
  /** The line for the shell to evaluate, for stdout. */
  line: string;
  /** What to know about it, for stderr. */
  notes: string[];
}

/**
 * @param program the command that the alias stands for, e.g. "/usr/bin/wirescript lab".
 * @param asRoot without root the alias begins with sudo.
 * @param forTerminal somebody reads the line, instead of evaluating it.
 */
export function alias(program: string, options: { asRoot: boolean; forTerminal: boolean }): Alias {
  const notes = options.forTerminal ? [MESSAGES.aliasHint(program)] : [];
  if (!options.asRoot) notes.push(MESSAGES.aliasSudo);
  const command = `${options.asRoot ? "" : "sudo "}${program}`;
  return { line: `alias t='${command.replaceAll("'", "'\\''")}'`, notes };
}
