/** How a failure reaches the person at the terminal: what, why and fix on stderr, and the exit status of its class. */
import { EXIT_STATUS, WirescriptError } from "../errors.ts";
import { inSameNetwork } from "./same-network.ts";
import { paint, printable } from "./terminal.ts";

/** Prints the failure and returns the exit status. `debug` adds the stack and what caused it. */
export function reportFailure(thrown: unknown, debug: boolean): number {
  const failure = thrown instanceof WirescriptError ? thrown : defect(thrown);
  const lines = failure.code === "COMPILE" ? diagnostics(printable(failure.message)) : explained(failure);
  process.stderr.write(`${lines.join("\n")}\n`);
  if (debug) process.stderr.write(`\n${stack(failure)}\n`);
  return EXIT_STATUS[failure.code];
}

function explained({ code, message, why, fix }: WirescriptError): string[] {
  // What goes on until Ctrl-C has not failed when that comes.
  // The terminal has written ^C.
  if (code === "INTERRUPTED" && why === undefined) return [...(process.stderr.isTTY ? [""] : []), printable(message)];
  const lines = [`${styled("bold", styled("red", "error:"))} ${printable(message)}`];
  if (why !== undefined) lines.push(`  ${styled("bold", "why:")} ${indented(printable(why))}`);
  if (fix !== undefined) lines.push(`  ${styled("bold", "fix:")} ${indented(inSameNetwork(printable(fix)))}`);
  return lines;
}

const indented = (text: string): string => text.replaceAll("\n", "\n       ");

/** The compiler's own format, with colours: the place and number stand out, then the marked characters, then why and fix. */
function diagnostics(text: string): string[] {
  return text.split("\n").map((line) => {
    const head = /^(\S.*?) ((?:WS|TS)\d+): (.*)$/.exec(line);
    if (head !== null)
      return `${styled("bold", head[1] ?? "")} ${styled("red", head[2] ?? "")}: ${styled("bold", head[3] ?? "")}`;
    if (/^ +\|[ \t]+\^+$/.test(line)) return line.replace(/\^+/, (marker) => styled("red", marker));
    if (/^ +\|[ \t]+-+$/.test(line)) return line.replace(/-+$/, (marker) => styled("blue", marker));
    return line.replace(/^ {2}(why|fix):/, (label) => styled("bold", label));
  });
}

function defect(thrown: unknown): WirescriptError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new WirescriptError({
    code: "INTERNAL",
    what: `Wirescript failed in a way that it did not foresee: ${message}`,
    why: "That is a defect of Wirescript, not of what you did.",
    fix: "Please report it, with the output of the same command and --debug.",
    cause: thrown,
  });
}

function stack(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? String(error);
  return error.cause === undefined ? own : `${own}\ncaused by ${stack(error.cause)}`;
}

function styled(style: Parameters<typeof paint>[0], text: string): string {
  return paint(style, text, process.stderr);
}
