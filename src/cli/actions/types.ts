/** `wirescript types`: what is in an object, as a declaration file. */
import { basename } from "node:path";
import { declarationsOf } from "../../object/declarations.ts";
import { writeOutput } from "../output-file.ts";
import { openProgramFile } from "../program-file.ts";
import { say } from "../terminal.ts";

export async function types(file: string, { output = "-" }: { output?: string }): Promise<void> {
  const { spec } = await openProgramFile(file);
  writeOutput(output, declarationsOf(spec, basename(file)));
  if (output !== "-") say(`Wrote ${output}.`);
}
