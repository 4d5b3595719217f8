/**
 * Who may ask. Pages in a browser on this host may not: neither those of other sites (they send an Origin that is not ours), nor those whose
 * name was made to resolve to this host after they were read (DNS rebinding; their Host is a name that is not ours). Beyond the loopback
 * device a bearer token is asked for; it is compared in constant time and gets into no log, since headers are not logged.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import bearerAuth from "@fastify/bearer-auth";
import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Refusal } from "./problem.ts";

export interface GuardOptions {
  /** Asked of every request, but for the documentation. */
  token?: string;
  /** The most requests per second and client address; no limit without it. */
  requestsPerSecond?: number;
  /** Names that this service is reached by, beside addresses and localhost. */
  hosts?: readonly string[];
}

/** Wrong tokens per minute and client address; after that, the answer is 429. */
const MOST_WRONG_TOKENS = 20;

/** Who is refused is told once in so many milliseconds, whoever asks how often. */
const TOLD_EVERY = 60_000;
/** More sources than this in that time are not told apart. */
const MOST_TOLD = 1000;

export async function guard(app: FastifyInstance, { token, requestsPerSecond, hosts = [] }: GuardOptions): Promise<void> {
  const logRefused = refusalLog();
  app.addHook("onRequest", async (request) => {
    mustBeOurHost(request, hosts);
    mustBeOwnPage(request);
  });
  await app.register(rateLimit, {
    global: requestsPerSecond !== undefined,
    max: requestsPerSecond ?? 1,
    timeWindow: 1000,
    hook: "onRequest",
    keyGenerator: ({ ip }) => networkOf(ip),
    errorResponseBuilder: (request, { ttl }) => {
      logRefused(request, "Requests are refused: there are too many from this address.");
      return tooMany("requests", ttl);
    },
  });
  if (token === undefined) return;
  const wrongTokens = app.createRateLimit({
    max: MOST_WRONG_TOKENS,
    timeWindow: 60_000,
    keyGenerator: ({ ip }) => networkOf(ip),
  });
  const right = digest(token);
  await app.register(bearerAuth, {
    keys: new Set<string>(),
    auth: (key: string) => timingSafeEqual(digest(key), right),
    addHook: false,
    // "bearer" is the same scheme (RFC 9110, section 11.1); the other specification wants it as it writes it.
    specCompliance: "rfc6749",
    verifyErrorLogLevel: "debug",
  });
  app.addHook("onRequest", async (request, reply) => {
    if (/^\/(docs|openapi\.json)(\/|\?|$)/.test(request.url)) return;
    const verify = app.verifyBearerAuth;
    if (verify === undefined) throw new Error("bearer-auth decorates the server");
    const failed = await new Promise<Error | undefined>((resolve) => verify(request, reply, resolve));
    if (failed === undefined) return;
    logRefused(request, "Requests are refused: they have no token, or not the right one.");
    const limit = await wrongTokens(request);
    throw !limit.isAllowed && limit.isExceeded ? tooMany("wrong tokens", limit.ttl) : unauthorized();
  });
}

/** Logs that a client is refused, once a while for each; never what it sent. */
function refusalLog(): (request: FastifyRequest, message: string) => void {
  const told = new Map<string, number>();
  return ({ ip, log }, message) => {
    const key = `${networkOf(ip)} ${message}`;
    const now = performance.now();
    if (now - (told.get(key) ?? Number.NEGATIVE_INFINITY) < TOLD_EVERY) return;
    if (told.size >= MOST_TOLD) told.clear();
    told.set(key, now);
    log.warn({ client: ip }, message);
  };
}

/** Of the same length for all tokens, so that comparing tells nothing of the length either. */
function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** Who has one address of IPv6 has its /64. */
function networkOf(ip: string): string {
  if (isIP(ip) !== 6 || ip.startsWith("::ffff:")) return ip;
  const [head = "", tail] = ip.split("::");
  const [first, last] = [head.split(":"), tail?.split(":") ?? []];
  const groups =
    tail === undefined ? first : [...first, ...Array(Math.max(0, 8 - first.length - last.length)).fill("0"), ...last];
  return groups.slice(0, 4).join(":");
}

function mustBeOurHost({ headers }: FastifyRequest, hosts: readonly string[]): void {
  const name = hostName(headers.host ?? "");
  if (isIP(name) !== 0 || name === "localhost" || hosts.includes(name)) return;
  throw new Refusal({
    status: 421,
    code: "other-host",
    detail: "The request is for a host that this service is not.",
    fix: "Use its address, such as http://127.0.0.1, or localhost.",
  });
}

function mustBeOwnPage({ headers }: FastifyRequest): void {
  const { origin, host = "" } = headers;
  if (origin === undefined || origin === `http://${host}` || origin === `https://${host}`) return;
  throw new Refusal({
    status: 403,
    code: "other-origin",
    detail: "The request comes from a page of another site.",
    fix: "Use the page at /docs, or a client that is no browser.",
  });
}

/** Of "[::1]:8080", "::1"; in lower case, as names are compared. */
function hostName(host: string): string {
  return (/^\[?([^\]]*?)\]?(?::\d+)?$/.exec(host)?.[1] ?? "").toLowerCase();
}

function unauthorized(): Refusal {
  return new Refusal({
    status: 401,
    code: "no-token",
    detail: "The request has no token, or not the right one.",
    fix: "Send the header authorization: Bearer TOKEN, with the token that the service was started with.",
    headers: { "www-authenticate": 'Bearer realm="wirescript balancer"' },
  });
}

/** `ttl`: milliseconds until there is room again. */
function tooMany(what: string, ttl: number): Refusal {
  const seconds = Math.max(1, Math.ceil(ttl / 1000));
  return new Refusal({
    status: 429,
    code: "too-many",
    detail: `Too many ${what} from this address.`,
    fix: `Try again in ${seconds} s.`,
    headers: { "retry-after": `${seconds}` },
  });
}
