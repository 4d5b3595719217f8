/** What stands behind the question mark, read by its schema. A parameter that there is not is a mistake: `?dryrun=true` must not change anything. */
import type { FastifySchemaCompiler } from "fastify";
import Type, { type TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { type FieldProblem, invalid } from "./problem.ts";

export const DryRun = Type.Object(
  { dryRun: Type.Boolean({ default: false, description: "Change nothing, and answer what would change." }) },
  { additionalProperties: false },
);
export const NoQuery = Type.Object({}, { additionalProperties: false });

/** Fastify's validator of parameters. Bodies are left to the routes, which know the state that they are for. */
export const readParameters: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart === "body") return (value: unknown) => ({ value });
  const known = Object.keys((schema as { properties?: object }).properties ?? {});
  const validator = Compile(schema);
  return (value: unknown) => {
    const given = validator.Convert(validator.Default({ ...(value as object) }));
    if (validator.Check(given)) return { value: given };
    const names = httpPart === "headers" ? [] : Object.keys(value as object).filter((name) => !known.includes(name));
    const unknown = names.map((name): FieldProblem => {
      return {
        field: name,
        reason: "There is no such parameter here.",
        fix: known.length === 0 ? "Leave it out." : `There is ${known.join(", ")}.`,
      };
    });
    const wrong = validator
      .Errors(given)
      .filter(({ keyword }) => keyword !== "boolean" && keyword !== "additionalProperties")
      .map(({ instancePath, message, params }): FieldProblem => {
        const missing = (params as { requiredProperties?: string[] }).requiredProperties;
        return { field: missing?.join(", ") ?? instancePath.slice(1), reason: `It ${message}.` };
      });
    return { error: invalid([...unknown, ...wrong]) };
  };
};
