/** How the reader runs this command again, so that what we print can be copied and works. */
import { relative, sep } from "node:path";
import { PACKAGE, packageFile } from "../package.ts";

/** Absolute path of the command's file. */
export const BIN = packageFile("bin/wirescript.js");

/** "npx wirescript" in the package's folder, "wirescript" when it was found on the PATH, else with its whole path. */
export function ownCommand(): string {
  if (process.cwd() === PACKAGE) return "npx wirescript";
  if (process.argv[1] !== undefined && process.argv[1] !== BIN && process.argv[1].endsWith(`${sep}wirescript`))
    return "wirescript";
  return shellWord(BIN);
}

/** A file of the package, as seen from the working directory when that is in the package. */
export function ownFile(path: string): string {
  const file = packageFile(path);
  const seen = relative(process.cwd(), file);
  return shellWord(seen.startsWith("..") ? file : seen);
}

/** The text as one word of a shell's command line. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replaceAll(/["\\$`]/g, "\\$&")}"`;
}
