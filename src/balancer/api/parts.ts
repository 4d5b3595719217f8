/** A part of a state as a request's body has it, held against its schema. */
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import Value from "typebox/value";
import { type FieldProblem, invalid } from "./problem.ts";

const compiled = new Map<TSchema, ReturnType<typeof Compile>>();

function validatorOf(schema: TSchema) {
  const known = compiled.get(schema);
  if (known !== undefined) return known;
  const made = Compile(schema);
  compiled.set(schema, made);
  return made;
}

/**
 * The value with its defaults.
 *
 * @throws Refusal 422
 */
export function complete<T>(schema: TSchema, value: unknown): T {
  const validator = validatorOf(schema);
  const full = Value.Default(schema, structuredClone(value));
  if (validator.Check(full)) return full as T;
  const problems = validator
    .Errors(full)
    .filter(({ keyword }) => keyword !== "boolean")
    .map(({ instancePath, message }): FieldProblem => ({ field: instancePath, reason: `It ${message}.` }));
  throw invalid(problems);
}
