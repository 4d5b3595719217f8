/** Why a backend is not well, in words for a table: "connection refused", "HTTP status 503". */
export class Sick extends Error {
  override readonly name = "Sick";
}

const WORDS: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  EHOSTDOWN: "host down",
  ETIMEDOUT: "no answer in time",
  EACCES: "not allowed to ask",
  EPERM: "not allowed to ask",
};

/** What the network has said, in words. */
export function sick(error: unknown): Sick {
  if (error instanceof Sick) return error;
  if (error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError"))
    return new Sick("no answer in time");
  const { code, message } = error as NodeJS.ErrnoException;
  return new Sick((code === undefined ? undefined : WORDS[code]) ?? (message === "" ? String(code) : message), {
    cause: error,
  });
}
