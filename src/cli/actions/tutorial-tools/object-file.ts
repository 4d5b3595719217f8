/** The object that a lesson's tool loads. Where it is missing, a reader has not built it yet. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { shellWord } from "../../own-command.ts";
import { openProgramFile, type ProgramFile } from "../../program-file.ts";
import { told } from "./tool-failure.ts";

/** `what` is what the lesson's tool says when it cannot. @throws ToolFailure */
export async function openObjectFile(status: number, what: string, file: string): Promise<ProgramFile> {
  const folder = dirname(file);
  const make = folder === "." ? "make" : `make -C ${shellWord(folder)}`;
  return await told(
    status,
    what,
    () => openProgramFile(file),
    ({ fix }) => (file.endsWith(".o") && !existsSync(file) ? `Build it first: ${make}` : fix),
  );
}
