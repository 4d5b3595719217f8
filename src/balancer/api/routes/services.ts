/** Services, one at a time: read, put, patched, removed. */
import Type from "typebox";
import type { State } from "../../contract.ts";
import { Service } from "../../state.ts";
import { LIMIT } from "../bodies.ts";
import { findService, putService, removeService, serviceIn } from "../edits.ts";
import { mergePatch } from "../merge-patch.ts";
import { complete, objectIn } from "../parts.ts";
import { sendDesired } from "../preconditions.ts";
import { invalid, Refusal } from "../problem.ts";
import { DryRun, NoQuery } from "../queries.ts";
import { answers, Changed, PATCH_TYPES, patchOf, ServiceBody, ServiceParameter } from "../schemas.ts";
import type { ApiParts } from "../server.ts";

export function serviceRoutes({ app, balancer, changes }: ApiParts): void {
  const tags = ["services"];
  app.get(
    "/services",
    {
      schema: {
        tags,
        summary: "All services, as they are desired",
        querystring: NoQuery,
        response: answers({ 200: Type.Object({ services: Type.Array(Service) }) }),
      },
    },
    (request, reply) => sendDesired(request, reply, balancer.revision, { services: balancer.state.services }),
  );

  app.get(
    "/services/:service",
    {
      schema: {
        tags,
        summary: "A service",
        params: ServiceParameter,
        querystring: NoQuery,
        response: answers({ 200: Service }),
      },
    },
    (request, reply) => sendDesired(request, reply, balancer.revision, serviceIn(balancer.state, request.params.service)),
  );

  app.put(
    "/services/:service",
    {
      bodyLimit: LIMIT.part,
      schema: {
        tags,
        summary: "Add a service, or make it what the body says",
        description: "Doing it twice is doing it once. The name may be left out of the body.",
        params: ServiceParameter,
        querystring: DryRun,
        body: ServiceBody,
        response: answers({ 200: Changed, 201: Changed }),
      },
    },
    (request, reply) => {
      const { service: name } = request.params;
      const service = complete<Service>(Service, named(request.body, name));
      return changes.answer(request, reply, {
        dryRun: request.query.dryRun,
        exists: (state) => findService(state, name) !== undefined,
        edit: (state) => {
          mustBeFree(state, name, service);
          return putService(state, name, service);
        },
      });
    },
  );

  app.patch(
    "/services/:service",
    {
      bodyLimit: LIMIT.part,
      schema: {
        tags,
        summary: "Change fields of a service",
        description:
          "A JSON merge patch (RFC 7396): what is named is set, null puts a field back to its default, lists are replaced as a whole.",
        params: ServiceParameter,
        querystring: DryRun,
        consumes: PATCH_TYPES,
        body: patchOf(Service),
        response: answers({ 200: Changed }),
      },
    },
    (request, reply) => {
      const { service: name } = request.params;
      return changes.answer(request, reply, {
        dryRun: request.query.dryRun,
        exists: (state) => findService(state, name) !== undefined,
        edit: (state) => {
          const service = complete<Service>(Service, mergePatch(serviceIn(state, name), objectIn(request.body)));
          mustBeFree(state, name, service);
          return putService(state, name, service);
        },
      });
    },
  );

  app.delete(
    "/services/:service",
    {
      schema: {
        tags,
        summary: "Remove a service",
        params: ServiceParameter,
        querystring: DryRun,
        response: answers({ 200: Changed }),
      },
    },
    (request, reply) => {
      const { service: name } = request.params;
      return changes.answer(request, reply, {
        dryRun: request.query.dryRun,
        exists: (state) => findService(state, name) !== undefined,
        edit: (state) => {
          serviceIn(state, name);
          return removeService(state, name);
        },
      });
    },
  );
}

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

/** What another service has already is a conflict between two that are each right. @throws Refusal 409 */
function mustBeFree(state: State, name: string, service: Service): void {
  const others = state.services.filter((each) => each.name !== name);
  const same = others.find((each) => each.name === service.name);
  if (same !== undefined)
    throw taken(`There is a service called ${service.name} already.`, "Choose another name, or remove that service.");
  const { address, port, protocol } = service;
  const where = others.find((each) => each.address === address && each.port === port && each.protocol === protocol);
  if (where !== undefined) {
    throw taken(
      `Port ${port}/${protocol} of ${address} belongs to the service ${where.name}.`,
      `Change that one, or choose another address or port: /services/${encodeURIComponent(where.name)}`,
    );
  }
}

function taken(detail: string, fix: string): Refusal {
  return new Refusal({ status: 409, code: "taken", detail, fix });
}
