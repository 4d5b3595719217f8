/**
 * The balancer's REST API over HTTP: Fastify, with one source (TypeBox) for validation, types and OpenAPI. Everything that is asked of the balancer goes through
 * `contract.ts`, so this knows no maps and no kernel.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController, type RawServerDefault } from "fastify";
import type { Registry } from "prom-client";
import type { Balancer } from "../contract.ts";
import { LIMIT, readJsonOnly } from "./bodies.ts";
import { Changes } from "./changes.ts";
import { answerBrokenHttp, answerError, send } from "./errors.ts";
import { type GuardOptions, guard } from "./guard.ts";
import { missingRoutes } from "./missing.ts";
import { openApi } from "./open-api.ts";
import { readParameters } from "./queries.ts";
import { backendRoutes } from "./routes/backends.ts";
import { eventRoutes } from "./routes/events.ts";
import { flowRoutes } from "./routes/flows.ts";
import { metricsRoute } from "./routes/metrics.ts";
import { serviceRoutes } from "./routes/services.ts";
import { stateRoutes } from "./routes/state.ts";
import { statusRoutes } from "./routes/status.ts";
import { stopRoute } from "./routes/stop.ts";

export type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;

export interface ApiOptions extends GuardOptions {
  logger?: FastifyBaseLogger;
  /** What /metrics shows beside the balancer's, such as the process's. */
  registries?: readonly Registry[];
  /** Called when a client asks for the end of the service; there is no such route without it. */
  onStop?: (detach: boolean) => void;
}

/** What routes are made of. */
export interface ApiParts {
  app: App;
  balancer: Balancer;
  changes: Changes;
}

/** The page is made of files of this service, and works without any other. */
const OWN_SITE_ONLY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The API, not listening yet. Closing it leaves the balancer as it is. */
export async function makeApi(balancer: Balancer, options: ApiOptions): Promise<App> {
  const app = fastify({
    ...(options.logger === undefined ? { logger: false } : { loggerInstance: options.logger }),
    bodyLimit: LIMIT.state,
    logController: new LogController({ disableRequestLogging: true }),
    // A request that comes slower than this is not from anybody who wants an answer.
    requestTimeout: 30_000,
    keepAliveTimeout: 10_000,
    forceCloseConnections: true,
    frameworkErrors: answerError,
    clientErrorHandler: answerBrokenHttp,
    routerOptions: { maxParamLength: 256 },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setErrorHandler(answerError);
  app.setValidatorCompiler(readParameters);
  // Schemas of answers are for the documentation; what is sent is made here, and has its types.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  logChanges(app);
  readJsonOnly(app);
  const missing = missingRoutes(app);
  app.setNotFoundHandler((request, reply) => send(reply, missing(request.method, request.url), request.url));
  await guard(app, options);
  await app.register(swagger, openApi(options.token !== undefined));
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: OWN_SITE_ONLY,
    uiConfig: { validatorUrl: null, deepLinking: true },
  });
  await app.register(async (scope) => {
    const parts: ApiParts = { app: scope.withTypeProvider<TypeBoxTypeProvider>(), balancer, changes: Changes.of(balancer) };
    serviceRoutes(parts);
    backendRoutes(parts);
    stateRoutes(parts);
    statusRoutes(parts);
    flowRoutes(parts);
    eventRoutes(parts);
    metricsRoute(parts, options.registries ?? []);
    if (options.onStop !== undefined) stopRoute(parts, options.onStop);
    parts.app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
  });
  await app.ready();
  return app;
}

/** Who changed something, or was refused it. Reading is not logged: a scrape every few seconds would hide everything else. */
function logChanges(app: FastifyInstance): void {
  app.addHook("onResponse", async ({ method, url, ip, log }, reply) => {
    if (method === "GET" || method === "HEAD") return;
    const { statusCode: status, elapsedTime } = reply;
    log.info({ method, url, client: ip, status, milliseconds: Math.round(elapsedTime) }, "The API was asked for a change.");
  });
}
