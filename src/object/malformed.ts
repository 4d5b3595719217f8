/** The error that every reader of this folder throws for input that is damaged, hostile, or beyond what Wirescript understands. */
import { WirescriptError } from "../errors.ts";

/** `what` names the section or symbol, `why` what is wrong with it. `readElf` puts the file's name in front. */
export function malformed(what: string, why: string, fix = "Build the object again; this file is damaged."): WirescriptError {
  return new WirescriptError({ code: "BAD_FILE", what, why, fix });
}

/** For what is well-formed but not supported. */
export function unsupported(what: string, why: string, fix: string): WirescriptError {
  return new WirescriptError({ code: "BAD_FILE", what, why, fix });
}
