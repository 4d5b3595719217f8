/**
 * How the API says no: problem details (RFC 9457) for every error there is, also for those that never reach a route. `code` is for programs, `detail` says
 * why, `fix` what to do; a request that is wrong in its contents has `problems`, all of them at once.
 */
import { STATUS_CODES } from "node:http";
import Type from "typebox";

export const PROBLEM_JSON = "application/problem+json";

export const FieldProblem = Type.Object({
  field: Type.String({
    description: "JSON pointer (RFC 6901) into the body, or the name of a parameter; empty for the body as a whole.",
  }),
  reason: Type.String(),
  fix: Type.Optional(Type.String()),
  state: Type.Optional(Type.String({ description: "Where it is in the whole state, when that is not in the body." })),
});
export type FieldProblem = Type.Static<typeof FieldProblem>;

export const ProblemDetails = Type.Object(
  {
    type: Type.String({ description: "about:blank: `code` tells problems apart." }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String(),
    detail: Type.Optional(Type.String()),
    fix: Type.Optional(Type.String()),
    instance: Type.Optional(Type.String()),
    problems: Type.Optional(Type.Array(FieldProblem)),
    revision: Type.Optional(Type.Integer({ description: "The one that is accepted now, when the request was for another." })),
  },
  { description: "What went wrong (RFC 9457)." },
);
export type ProblemDetails = Type.Static<typeof ProblemDetails>;

/** More would not be read, and a body of 16 MiB can hold millions. */
const MOST_PROBLEMS = 100;

interface Refused {
  status: number;
  code: string;
  detail: string;
  fix?: string;
  problems?: readonly FieldProblem[];
  revision?: number;
  headers?: Record<string, string>;
}

/** What a route throws to answer with an error. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly fix: string | undefined;
  readonly problems: readonly FieldProblem[] | undefined;
  readonly revision: number | undefined;
  readonly headers: Record<string, string>;

  constructor({ status, code, detail, fix, problems, revision, headers = {} }: Refused) {
    super(detail);
    this.status = status;
    this.code = code;
    this.fix = fix;
    this.problems = problems;
    this.revision = revision;
    this.headers = headers;
  }
}

export function invalid(problems: readonly FieldProblem[]): Refusal {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return new Refusal({
    status: 422,
    code: "invalid",
    detail: `The request is well formed, but there ${problems.length === 1 ? "is" : "are"} ${count} in it. Nothing was changed.`,
    fix: "Mend what `problems` names.",
    problems: problems.slice(0, MOST_PROBLEMS),
  });
}

/** `what`: "service" or "backend of web". */
export function notFound(what: string, name: string, known: readonly string[]): Refusal {
  const there = known.length === 0 ? "There are none." : `There ${known.length === 1 ? "is" : "are"} ${listed(known)}.`;
  return new Refusal({
    status: 404,
    code: "not-found",
    detail: `There is no ${what} called ${JSON.stringify(name)}.`,
    fix: there,
  });
}

const MOST_NAMES = 10;
function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMES;
  return names.slice(0, MOST_NAMES).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

export function detailsOf(refusal: Refusal, instance?: string): ProblemDetails {
  const { status, code, message, fix, problems, revision } = refusal;
  return {
    type: "about:blank",
    title: STATUS_CODES[status] ?? "Error",
    status,
    code,
    detail: message,
    ...(fix !== undefined && { fix }),
    ...(instance !== undefined && { instance }),
    ...(problems !== undefined && { problems: [...problems] }),
    ...(revision !== undefined && { revision }),
  };
}
