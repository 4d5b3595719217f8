/**
 * The rules of a service in redirect mode over HTTP, as the XDP redirect demo has them: GET /rules, and POST /rules?sourceAddr=IP with
 * `[{ "server": IP, "mac": MAC, "ifindex": N }, …]`, which takes the place of the backends before. Answers and errors have the demo's form,
 * `{ "message": … }`, and besides name the field. Bodies are read whatever type they say they are of, because the demo's `curl -d` says "form".
 */
import { isIP } from "node:net";
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, LogController } from "fastify";
import { findLink } from "../../sys/netlink/index.ts";
import type { Backend, Balancer, Service, State } from "../contract.ts";
import { backendName } from "../names.ts";
import { InvalidState, StateNotSaved } from "../refusals.ts";
import { LIMIT } from "./bodies.ts";
import { Changes } from "./changes.ts";
import { answerBrokenHttp } from "./errors.ts";
import { type GuardOptions, guard } from "./guard.ts";
import { Refusal } from "./problem.ts";

export interface RulesOptions extends GuardOptions {
  /** The service's name; without it the only one in redirect mode. */
  service?: string;
  logger?: FastifyBaseLogger;
}

const MOST_RULES = 4096;

/** What a client did wrong. */
class BadRule extends Error {
  readonly status: number;
  readonly field: string | undefined;

  constructor(message: string, field?: string, status = 400) {
    super(message);
    this.field = field;
    this.status = status;
  }
}

/** The server, not listening yet. */
export async function makeRulesApi(balancer: Balancer, options: RulesOptions): Promise<FastifyInstance> {
  const app = fastify({
    ...(options.logger === undefined ? { logger: false } : { loggerInstance: options.logger }),
    bodyLimit: LIMIT.part,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: 30_000,
    forceCloseConnections: true,
    clientErrorHandler: answerBrokenHttp,
    frameworkErrors: (error, _request, reply) => sendError(error, reply),
    exposeHeadRoutes: false,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error, request, reply) => {
    const status = sendError(error, reply);
    if (status >= 500) request.log.error({ err: error }, "a request for rules failed");
  });
  app.setNotFoundHandler((request, reply) => {
    const isRules = request.url.split("?", 1)[0] === "/rules";
    if (isRules)
      reply
        .code(405)
        .header("allow", "GET, POST")
        .send({ message: `${request.method} is not allowed` });
    else reply.code(404).send({ message: `there is no ${request.url.split("?", 1)[0]}, only /rules` });
  });
  await guard(app, options);

  app.get("/rules", async () => {
    const service = redirectService(balancer.state, options.service);
    const { services } = await balancer.status();
    const counted = new Map(
      services.find(({ name }) => name === service.name)?.backends.map((each) => [each.name, each.counters]),
    );
    return service.backends.map((backend) => ({
      server: backend.address,
      mac: backend.mac ?? null,
      ifindex: backend.device === undefined ? null : (findLink(backend.device)?.ifindex ?? null),
      forward_bytes: counted.get(backendName(backend))?.bytes ?? 0,
      forward_packages: counted.get(backendName(backend))?.packets ?? 0,
    }));
  });

  app.post<{ Querystring: { sourceAddr?: unknown } }>("/rules", async ({ query, body }) => {
    const source = query.sourceAddr;
    if (source === undefined || source === "") throw new BadRule("sourceAddr is required", "sourceAddr");
    if (typeof source !== "string" || isIP(source) === 0) throw new BadRule(`${shown(source)} is no IP address`, "sourceAddr");
    const backends = rulesIn(body, source);
    await Changes.of(balancer).make((state) => {
      const service = redirectService(state, options.service);
      const services = state.services.map((each) => (each === service ? { ...service, backends } : each));
      return { ...state, services };
    });
    return { message: "ok" };
  });
  await app.ready();
  return app;
}

/** @throws BadRule 409 */
function redirectService({ services }: State, name: string | undefined): Service {
  const found = services.filter((service) => service.mode === "redirect" && (name === undefined || service.name === name));
  const [service] = found;
  if (service !== undefined && found.length === 1) return service;
  const what = name === undefined ? "service in mode redirect" : `service ${name} in mode redirect`;
  throw new BadRule(
    found.length === 0 ? `there is no ${what}` : `there are ${found.length} services in mode redirect`,
    undefined,
    409,
  );
}

function rulesIn(body: unknown, source: string): Backend[] {
  let rules: unknown;
  try {
    rules = JSON.parse(typeof body === "string" ? body : "");
  } catch (error) {
    throw new BadRule(`decode request error: ${(error as Error).message}`);
  }
  if (!Array.isArray(rules)) throw new BadRule("the body must be an array of rules");
  if (rules.length === 0) throw new BadRule("servers can't be empty");
  if (rules.length > MOST_RULES) throw new BadRule(`there is room for ${MOST_RULES} rules`);
  return rules.map((rule, index) => backendOf(rule, index, source));
}

function backendOf(value: unknown, index: number, source: string): Backend {
  const bad = (field: string, message: string) => new BadRule(message, `[${index}].${field}`);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new BadRule("a rule is an object", `[${index}]`);
  const { server, mac, ifindex } = value as Record<string, unknown>;
  if (typeof server !== "string" || isIP(server) === 0) throw bad("server", `${shown(server)} is no IP address`);
  if (typeof mac !== "string" || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) {
    throw bad("mac", `${shown(mac)} is no MAC address such as "02:42:ac:11:00:02"`);
  }
  if (typeof ifindex !== "number" || !Number.isInteger(ifindex))
    throw bad("ifindex", `${shown(ifindex)} is no number of an interface`);
  const link = findLink(ifindex);
  if (link === null) throw bad("ifindex", `there is no interface with number ${ifindex}`);
  return { address: server, mac: mac.toLowerCase(), device: link.name, source, weight: 100, drain: false };
}

/** Short, whatever was sent. */
function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) return "that";
  return (JSON.stringify(value) ?? "nothing").slice(0, 80);
}

/** @returns the status. */
function sendError(error: unknown, reply: FastifyReply): number {
  const { status, message, field, headers } = toldOf(error);
  reply
    .code(status)
    .headers(headers)
    .send({ message, ...(field !== undefined && { field }) });
  return status;
}

interface Told {
  status: number;
  message: string;
  field?: string | undefined;
  headers: Record<string, string>;
}

function toldOf(error: unknown): Told {
  if (error instanceof BadRule) return { status: error.status, message: error.message, field: error.field, headers: {} };
  if (error instanceof Refusal) return { status: error.status, message: error.message, headers: error.headers };
  if (error instanceof InvalidState) {
    const [first] = error.problems;
    // The rules are the backends, in their order.
    const place = /\/backends\/(\d+)(?:\/(\w+))?/.exec(first?.path ?? "");
    const names: Record<string, string> = { address: "server", device: "ifindex", source: "source" };
    const field =
      place === null ? undefined : `[${place[1]}]${place[2] === undefined ? "" : `.${names[place[2]] ?? place[2]}`}`;
    return { status: 400, message: `set backend server for map error: ${first?.what ?? error.message}`, field, headers: {} };
  }
  if (error instanceof StateNotSaved) return { status: 507, message: `${error.message} ${error.why}`, headers: {} };
  const { statusCode: status = 500, message = "" } = error as { statusCode?: number; message?: string };
  return { status, message: status < 500 ? message : "the service failed; its log says more", headers: {} };
}
