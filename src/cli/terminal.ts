/** Colours, and only where a person sees them: on a terminal, and not when NO_COLOR asks for none. */
import { styleText } from "node:util";

/** One style, not a list: Node 20 colours a list even where it colours nothing else. */
type Style = Extract<Parameters<typeof styleText>[0], string>;

/** `text` in that style, or as it is when `stream` is no terminal (util.styleText decides, NO_COLOR and FORCE_COLOR included). */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** Text of others' making, which the terminal is not to obey: control characters become dots, but for ends of lines and tabs. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "·");
}

/** As `printable`, where it has to stay on its line and in its column. */
export function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "·");
}

/** Writes a line to the standard output. */
export function say(line = ""): void {
  process.stdout.write(`${line}\n`);
}

/** Empties the terminal and goes to its top, for a view that is drawn anew. What scrolled away stays to be scrolled back to. */
export function clearScreen(): void {
  process.stdout.write("\x1b[H\x1b[2J");
}

/** Writes a value as JSON to the standard output; a bigint becomes a number where that is exact, else a string. */
export function sayJson(value: unknown): void {
  say(JSON.stringify(value, (_, each) => (typeof each === "bigint" ? exact(each) : each), 2));
}

/** As `sayJson`, on one line: one of a stream of values. */
export function sayJsonLine(value: unknown): void {
  say(jsonLine(value));
}

/** What `sayJsonLine` writes, without the end of the line. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === "bigint" ? exact(each) : each));
}

function exact(value: bigint): number | string {
  return BigInt(Number(value)) === value && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : `${value}`;
}
