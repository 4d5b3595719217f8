/** The token that callers show. It comes from a file or the environment, never from a command line, which every user of the host can read. */
import { readFileSync } from "node:fs";
import { WirescriptError } from "../../errors.ts";

export const TOKEN_VARIABLE = "WIRESCRIPT_BALANCER_TOKEN";

/** Shorter ones can be guessed. */
const LEAST_BYTES = 16;

/**
 * The token in `file`, else of the environment; undefined when there is none. Space around it is no part of it.
 *
 * @throws WirescriptError BAD_FILE, or USAGE for one that is none.
 */
export function readToken(file: string | undefined, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  if (file !== undefined) return checked(textOf(file).trim(), `The file ${file}`);
  const given = environment[TOKEN_VARIABLE]?.trim();
  return given === undefined || given === "" ? undefined : checked(given, `The variable ${TOKEN_VARIABLE}`);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `The token cannot be read from ${file}.`,
      why: (cause as Error).message,
      fix: `Make one: (umask 077; openssl rand -base64 32 > ${file})`,
      cause,
    });
  }
}

/** `where` begins a sentence. The token itself gets into no message. */
function checked(token: string, where: string): string {
  if (Buffer.byteLength(token) >= LEAST_BYTES && /^[A-Za-z0-9._~+/=-]+$/.test(token)) return token;
  throw new WirescriptError({
    code: "USAGE",
    what: `${where} has no token that could be used.`,
    why: `A token has at least ${LEAST_BYTES} characters, of letters, digits and -._~+/= (RFC 6750).`,
    fix: "Make one: openssl rand -base64 32",
  });
}
