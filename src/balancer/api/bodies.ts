/**
 * What bodies are read. Only JSON: what a page of another site can make a browser send without asking first (forms, plain text) is refused by its
 * type. Nesting is bounded, so that nothing behind this, which walks values, can be made to walk too deep.
 */
import type { FastifyInstance } from "fastify";
import { Refusal } from "./problem.ts";

export const MERGE_PATCH = "application/merge-patch+json";

/** A state has 7 levels. */
const MOST_LEVELS = 32;

export const LIMIT = { state: 16 * 1024 * 1024, part: 1024 * 1024 } as const;

export function readJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser(["application/json", MERGE_PATCH], { parseAs: "string" }, (request, body, done) => {
    const { "content-encoding": encoding = "identity" } = request.headers;
    if (encoding.toLowerCase() !== "identity") return done(isEncoded(encoding));
    // Fastify has read it as a string, as parseAs says; its types have both.
    const answer = parse(request, body as string, (error, value) => {
      if (error === null && isTooDeep(value)) done(tooDeep());
      else done(error, value);
    });
    return answer;
  });
}

function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST_LEVELS) return true;
    level = level.flatMap((each) => (typeof each === "object" && each !== null ? Object.values(each).filter(isNested) : []));
  }
  return false;
}

const isNested = (value: unknown): boolean => typeof value === "object" && value !== null;

function isEncoded(encoding: string): Refusal {
  return new Refusal({
    status: 415,
    code: "encoding",
    detail: `The body is encoded (${encoding.slice(0, 80)}), and bodies are read as they are.`,
    fix: "Send it without content-encoding.",
    headers: { "accept-encoding": "identity" },
  });
}

function tooDeep(): Refusal {
  return new Refusal({
    status: 400,
    code: "too-deep",
    detail: `The body is nested more than ${MOST_LEVELS} levels deep.`,
    fix: "Nothing that this API reads needs so many.",
  });
}
