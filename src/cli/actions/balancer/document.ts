/** `wirescript balancer apply FILE` and `diff FILE`: the whole desired state at once, from a document that is checked before anything is sent. */
import { readFileSync } from "node:fs";
import { readDocument } from "../../../balancer/document.ts";
import type { State } from "../../../balancer/state.ts";
import { WirescriptError } from "../../../errors.ts";
import { Api, type ApiOptions, type Changed } from "./api.ts";
import type { ChangeOptions } from "./change.ts";
import { sayChanged } from "./change-report.ts";

export async function apply(file: string, options: ChangeOptions): Promise<void> {
  await send(file, options, options.dryRun === true);
}

export async function diff(file: string, options: ApiOptions): Promise<void> {
  await send(file, options, true);
}

async function send(file: string, options: ApiOptions, dryRun: boolean): Promise<void> {
  const body = readStateFile(file);
  const path = dryRun ? "/state?dryRun=true" : "/state";
  sayChanged(await new Api(options).ask<Changed>("PUT", path, { body }), options.json);
}

/**
 * The desired state in a file; "-" is the standard input.
 *
 * @throws WirescriptError BAD_FILE, or InvalidState with the place of each mistake.
 */
export function readStateFile(file: string): State {
  return readDocument(textOf(file), { name: file === "-" ? "on the standard input" : file });
}

function textOf(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `${file} cannot be read.`,
      why: (cause as Error).message,
      fix: "Give the path of a YAML or JSON document of the balancer's state, or - for the standard input.",
      cause,
    });
  }
}
