/** A part of a state as a request's body has it, held against its schema. */
import type { Problem } from "../contract.ts";
import { validate } from "../validate.ts";
import { type FieldProblem, invalid } from "./problem.ts";

/**
 * The value with its defaults.
 *
 * @throws Refusal 422
 */
export function complete<T>(schema: object, value: unknown): T {
  const problems: Problem[] = [];
  const full = validate<T>(schema, value, problems);
  if (full !== undefined) return full;
  throw invalid(problems.map(asField));
}

export function asField({ path, what, fix }: Problem): FieldProblem {
  return { field: path, reason: what, ...(fix !== undefined && { fix }) };
}

/** @throws Refusal 422 */
export function objectIn(body: unknown): Record<string, unknown> {
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw invalid([{ field: "", reason: "It is no object.", fix: "Send { … } with the fields." }]);
}
