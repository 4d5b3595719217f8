/** The file that a command writes, or its standard output. */
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { WirescriptError } from "../errors.ts";

/** "-" is the standard output. A regular file appears whole or not at all. @throws WirescriptError BAD_FILE */
export function writeOutput(output: string, content: string | Uint8Array): void {
  if (output === "-") {
    process.stdout.write(content);
    return;
  }
  const special = statSync(output, { throwIfNoEntry: false })?.isFile() === false;
  const temporary = special ? output : `${output}.${process.pid}.part`;
  try {
    writeFileSync(temporary, content);
    if (!special) renameSync(temporary, output);
  } catch (cause) {
    if (!special) rmSync(temporary, { force: true });
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `${output} cannot be written.`,
      why: (cause as Error).message,
      fix: "Give a path in a directory that exists and that you may write to: -o FILE",
      cause,
    });
  }
}
