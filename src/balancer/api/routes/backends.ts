/** The backends of a service, one at a time. */
import Type from "typebox";
import type { State } from "../../contract.ts";
import { backendName } from "../../names.ts";
import { Backend } from "../../state.ts";
import { LIMIT } from "../bodies.ts";
import { backendIn, findBackend, findService, putBackend, removeBackend, serviceIn } from "../edits.ts";
import { mergePatch } from "../merge-patch.ts";
import { complete, objectIn } from "../parts.ts";
import { sendDesired } from "../preconditions.ts";
import { invalid, Refusal } from "../problem.ts";
import { DryRun, NoQuery } from "../queries.ts";
import { answers, BackendParameters, Changed, PATCH_TYPES, patchOf, ServiceParameter } from "../schemas.ts";
import type { ApiParts } from "../server.ts";

export function backendRoutes({ app, balancer, changes }: ApiParts): void {
  const tags = ["backends"];

  app.get(
    "/services/:service/backends",
    {
      schema: {
        tags,
        summary: "All backends of a service, as they are desired",
        params: ServiceParameter,
        querystring: NoQuery,
        response: answers({ 200: Type.Object({ backends: Type.Array(Backend) }) }),
      },
    },
    (request, reply) => {
      const { backends } = serviceIn(balancer.state, request.params.service);
      return sendDesired(request, reply, balancer.revision, { backends });
    },
  );

  const path = "/services/:service/backends/:backend";
  app.get(
    path,
    {
      schema: {
        tags,
        summary: "A backend",
        params: BackendParameters,
        querystring: NoQuery,
        response: answers({ 200: Backend }),
      },
    },
    (request, reply) => {
      const service = serviceIn(balancer.state, request.params.service);
      return sendDesired(request, reply, balancer.revision, backendIn(service, request.params.backend));
    },
  );

  app.put(
    path,
    {
      bodyLimit: LIMIT.part,
      schema: {
        tags,
        summary: "Add a backend, or make it what the body says",
        description: "Doing it twice is doing it once. The name may be left out of the body.",
        params: BackendParameters,
        querystring: DryRun,
        body: Backend,
        response: answers({ 200: Changed, 201: Changed }),
      },
    },
    (request, reply) => {
      const { params } = request;
      const backend = complete<Backend>(Backend, named(request.body, params.backend));
      return changes.answer(request, reply, {
        dryRun: request.query.dryRun,
        exists: isThere(params),
        edit: (state) => putBackend(state, serviceIn(state, params.service), params.backend, backend),
      });
    },
  );

  app.patch(
    path,
    {
      bodyLimit: LIMIT.part,
      schema: {
        tags,
        summary: "Change fields of a backend",
        description:
          'A JSON merge patch (RFC 7396): {"weight": 50}, {"drain": true}, {"drain": null}. Draining keeps its connections and gives it no new ones.',
        params: BackendParameters,
        querystring: DryRun,
        consumes: PATCH_TYPES,
        body: patchOf(Backend),
        response: answers({ 200: Changed }),
      },
    },
    (request, reply) => {
      const { params } = request;
      return changes.answer(request, reply, {
        dryRun: request.query.dryRun,
        exists: isThere(params),
        edit: (state) => {
          const service = serviceIn(state, params.service);
          const before = backendIn(service, params.backend);
          const backend = complete<Backend>(Backend, mergePatch(before, objectIn(request.body)));
          const name = backendName(backend);
          if (name !== params.backend && findBackend(service, name) !== undefined) throw taken(name, params.service);
          return putBackend(state, service, params.backend, backend);
        },
      });
    },
  );

  app.delete(
    path,
    {
      schema: {
        tags,
        summary: "Remove a backend; its connections go to the others",
        params: BackendParameters,
        querystring: DryRun,
        response: answers({ 200: Changed }),
      },
    },
    (request, reply) => {
      const { params } = request;
      return changes.answer(request, reply, {
        dryRun: request.query.dryRun,
        exists: isThere(params),
        edit: (state) => {
          const service = serviceIn(state, params.service);
          backendIn(service, params.backend);
          return removeBackend(state, service, params.backend);
        },
      });
    },
  );
}

const isThere =
  ({ service: name, backend }: { service: string; backend: string }) =>
  (state: State): boolean => {
    const service = findService(state, name);
    return service !== undefined && findBackend(service, backend) !== undefined;
  };

/** The body with the name that the path has; another one is a mistake. */
function named(body: unknown, name: string): object {
  const given = objectIn(body);
  if (given.name === undefined || given.name === name) return { ...given, name };
  throw invalid([
    {
      field: "/name",
      reason: "It is not the name in the path.",
      fix: "Leave it out. PATCH with another name renames what is there.",
    },
  ]);
}

function taken(name: string, service: string): Refusal {
  return new Refusal({
    status: 409,
    code: "taken",
    detail: `There is a backend of ${service} called ${name} already.`,
    fix: "Choose another name, or remove that backend.",
  });
}
