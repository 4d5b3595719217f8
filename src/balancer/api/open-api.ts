/** The OpenAPI 3.1 document: what the routes' schemas do not say, and the schemas that many share under their names. */

import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import { version } from "../../package.ts";
import { Backend, Check, Service, State } from "../state.ts";
import { ProblemDetails } from "./problem.ts";
import { BackendStatus, Change, Changed, Counters, ServiceStatus, Status } from "./schemas.ts";

/** The larger ones first, since the smaller ones are in them. */
const NAMED = {
  State,
  Status,
  ServiceStatus,
  BackendStatus,
  Changed,
  Change,
  Counters,
  Service,
  Backend,
  Check,
  ProblemDetails,
};

export function openApi(hasToken: boolean): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Wirescript balancer",
        version: version(),
        description:
          "A layer-4 load balancer in XDP, and what it is asked to be. Every change answers how many slots of the services' tables it moves; with ?dryRun=true it only says so.",
        license: { name: "MIT", identifier: "MIT" },
      },
      tags: [
        { name: "services", description: "Services, one at a time" },
        { name: "backends", description: "Their backends, one at a time" },
        { name: "state", description: "The whole desired state at once" },
        { name: "status", description: "What is, in contrast to what is desired" },
      ],
      components: {
        securitySchemes: { token: { type: "http", scheme: "bearer", description: "Where the service was started with one." } },
      },
      ...(hasToken && { security: [{ token: [] }] }),
    },
    transformObject: (document) => ("openapiObject" in document ? named(document.openapiObject) : document.swaggerObject),
  };
}

type Json = { [key: string]: unknown };

/** The document with each schema of `NAMED` said once, and referred to everywhere else. */
function named<T extends { components?: object; paths?: object }>(document: T): T {
  const names = new Map(Object.entries(NAMED).map(([name, schema]) => [canonical(schema), name]));
  const refer = (value: unknown, isDefinition: boolean): unknown => {
    if (!isObject(value)) return Array.isArray(value) ? value.map((each) => refer(each, false)) : value;
    const name = isDefinition ? undefined : names.get(canonical(value));
    if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
    return Object.fromEntries(Object.entries(asAsked(value)).map(([key, each]) => [key, refer(each, false)]));
  };
  const schemas = Object.fromEntries(Object.entries(NAMED).map(([name, schema]) => [name, refer(schema, true)]));
  const whole = refer(document, false) as T;
  return withHeaders({ ...whole, components: { ...whole.components, schemas } });
}

const DESIRED = /^\/(state|services(\/\{service\}(\/backends(\/\{backend\})?)?)?)$/;
const REVISION = { ETag: { description: "The state's revision.", schema: { type: "string" } } };

const header = (name: string, description: string) => ({ name, in: "header", description, schema: { type: "string" } });
const READING = [header("If-None-Match", "The ETag of what is known: 304 if that is still so.")];
const CHANGING = [
  header("If-Match", "The ETag of what was read: 412 if there is another by now."),
  header("If-None-Match", "*: only add; 412 if it is there."),
];
const LISTENING = [header("Last-Event-ID", "The id of the last event that came: what was missed since comes first.")];

/** Headers are not read by schemas, so no route has them in its own. */
function withHeaders<T extends { paths?: object }>(document: T): T {
  const paths = Object.entries((document.paths ?? {}) as Record<string, Record<string, Json>>).map(([path, operations]) => {
    const all = Object.entries(operations).map(([method, operation]) => [method, headed(path, method, operation)]);
    return [path, Object.fromEntries(all)];
  });
  return { ...document, paths: Object.fromEntries(paths) };
}

function headed(path: string, method: string, operation: Json): Json {
  const own = (operation.parameters ?? []) as Json[];
  if (path === "/events") return { ...operation, parameters: [...own, ...LISTENING] };
  if (!DESIRED.test(path)) return operation;
  const responses = Object.entries(operation.responses as Record<string, Json>).map(([status, response]) => [
    status,
    status.startsWith("2") ? { ...response, headers: REVISION } : response,
  ]);
  const isReading = method === "get";
  return {
    ...operation,
    parameters: [...own, ...(isReading ? READING : CHANGING)],
    responses: {
      ...Object.fromEntries(responses),
      ...(isReading && { 304: { description: "It is what is known.", headers: REVISION } }),
    },
  };
}

/** What has a default need not be sent, which JSON Schema and TypeBox leave open. */
function asAsked(value: Json): Json {
  if (isObject(value.schema) && value.schema.default !== undefined && value.required === true)
    return { ...value, required: false };
  const { required, properties } = value;
  if (!Array.isArray(required) || !isObject(properties)) return value;
  const needed = required.filter((name) => {
    const property = properties[name];
    return !isObject(property) || property.default === undefined;
  });
  const { required: _, ...rest } = value;
  return needed.length === 0 ? rest : { ...value, required: needed };
}

/** The same text for the same schema: @fastify/swagger writes a constant as a list of one, and orders keys as it likes. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "";
  const entries = Object.entries(value).map(([key, each]) => (key === "const" ? { key: "enum", each: [each] } : { key, each }));
  return `{${entries
    .map(({ key, each }) => `${key}:${canonical(each)}`)
    .sort()
    .join()}}`;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
