/** What stands behind the question mark, read by its schema. A parameter that there is not is a mistake: `?dryrun=true` must not change anything. */
import type { FastifySchemaCompiler } from "fastify";
import Type, { type TSchema } from "typebox";
import Value from "typebox/value";
import type { Problem } from "../contract.ts";
import { validate } from "../validate.ts";
import { asField } from "./parts.ts";
import { invalid } from "./problem.ts";

export const DryRun = Type.Object(
  { dryRun: Type.Boolean({ default: false, description: "Change nothing, and answer what would change." }) },
  { additionalProperties: false },
);
export const NoQuery = Type.Object({}, { additionalProperties: false });

/** Fastify's validator of parameters. Bodies are left to the routes, which know the state that they are for. */
export const readParameters: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart === "body") return (value: unknown) => ({ value });
  return (given: unknown) => {
    const problems: Problem[] = [];
    const value = validate(schema, Value.Convert(schema, { ...(given as object) }), problems);
    if (problems.length === 0) return { value };
    return { error: invalid(problems.map(asField).map((each) => ({ ...each, field: each.field.slice(1) }))) };
  };
};
