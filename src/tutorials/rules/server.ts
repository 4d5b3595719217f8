/**
 * The rules of the UDP balancer over HTTP, as the XDP redirect demo has them: GET /rules, and POST /rules?sourceAddr=IP with
 * `[{ "server": IP, "mac": MAC, "ifindex": N }, …]`, which takes the place of the rules before it. What is wrong with a request is answered
 * with 400, a message, and the field's name; rules stay as they were.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP, isIPv4 } from "node:net";
import { findLink } from "../../sys/netlink/index.ts";
import { MAX_RULES, type Rule, type RuleTable } from "./rule-table.ts";

/** Room for the most rules, several times over. */
const MAX_BODY = 64 * 1024;

interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

/** What a client did wrong. */
class BadRequest extends Error {
  readonly field: string | undefined;
  readonly status: number;

  constructor(message: string, field?: string, status = 400) {
    super(message);
    this.field = field;
    this.status = status;
  }
}

/** A server that is not listening yet. `report` is told of failures that are not the client's. */
export function rulesServer(table: RuleTable, report: (error: unknown) => void): Server {
  return createServer((request, response) => {
    answer(table, request).then(
      (reply) => send(response, reply),
      (error: unknown) => {
        if (error instanceof BadRequest) {
          const { message, field, status } = error;
          // The rest of a body that is too long is not waited for.
          const headers = status === 413 ? { connection: "close" } : undefined;
          send(response, { status, body: { message, ...(field !== undefined && { field }) }, headers });
          return;
        }
        // Who went away in the middle of a request needs no answer, and nobody here can mend it.
        if (request.destroyed && !request.complete) return;
        report(error);
        send(response, { status: 500, body: { message: error instanceof Error ? error.message : String(error) } });
      },
    );
  });
}

async function answer(table: RuleTable, request: IncomingMessage): Promise<Reply> {
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  if (path !== "/rules") return { status: 404, body: { message: `there is no ${path}, only /rules` } };
  if (request.method === "GET") return { status: 200, body: table.list().map(reported) };
  if (request.method !== "POST") {
    return { status: 405, body: { message: `${request.method} is not allowed` }, headers: { allow: "GET, POST" } };
  }
  if (!isOwnPage(request.headers)) throw new BadRequest("rules are not taken from other sites", "Origin", 403);
  const source = new URLSearchParams(query).get("sourceAddr");
  if (source === null || source === "") throw new BadRequest("sourceAddr is required", "sourceAddr");
  if (!isIPv4(source)) throw new BadRequest(`"${source}" is no IPv4 address`, "sourceAddr");
  table.replace(rulesIn(await bodyOf(request)), source);
  return { status: 200, body: { message: "ok" } };
}

/**
 * A page that somebody reads in a browser on this host must not steer packets. Other clients send no Origin. That it is the same as Host is not
 * enough: a page's name may be made to resolve to this host after the page was read (DNS rebinding). Addresses cannot.
 */
function isOwnPage({ origin, host = "" }: IncomingHttpHeaders): boolean {
  if (origin === undefined) return true;
  const [, name = ""] = /^\[?([^\]]*?)\]?(?::\d+)?$/.exec(host) ?? [];
  return origin === `http://${host}` && (isIP(name) !== 0 || name === "localhost");
}

/** The demo's spelling. Counters beyond 2^53 are rounded, as JSON's readers would. */
function reported({ packets, bytes, ...rule }: ReturnType<RuleTable["list"]>[number]) {
  return { ...rule, forward_bytes: Number(bytes), forward_packages: Number(packets) };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw new BadRequest(`the body is longer than ${MAX_BODY} bytes`, undefined, 413);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw new BadRequest(`decode request error: ${(error as Error).message}`);
  }
}

/** @throws BadRequest that names the field. */
function rulesIn(body: unknown): Rule[] {
  if (!Array.isArray(body)) throw new BadRequest("the body must be an array of rules");
  if (body.length === 0) throw new BadRequest("servers can't be empty");
  if (body.length > MAX_RULES) throw new BadRequest(`there is room for ${MAX_RULES} rules`);
  const rules = body.map(ruleIn);
  const seen = new Map<string, number>();
  for (const [index, { server }] of rules.entries()) {
    const first = seen.get(server);
    if (first !== undefined) throw new BadRequest(`${server} is the server of rule ${first} already`, `[${index}].server`);
    seen.set(server, index);
  }
  return rules;
}

function ruleIn(value: unknown, index: number): Rule {
  const bad = (field: keyof Rule, message: string) => new BadRequest(message, `[${index}].${field}`);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new BadRequest("a rule is an object", `[${index}]`);
  const { server, mac, ifindex } = value as Partial<Record<keyof Rule, unknown>>;
  if (typeof server !== "string" || !isIPv4(server)) throw bad("server", `${JSON.stringify(server)} is no IPv4 address`);
  if (typeof mac !== "string" || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) {
    throw bad("mac", `${JSON.stringify(mac)} is no MAC address such as "02:42:ac:11:00:02"`);
  }
  if (typeof ifindex !== "number" || !Number.isInteger(ifindex) || ifindex < 1 || ifindex > 0x7fffffff) {
    throw bad("ifindex", `${JSON.stringify(ifindex)} is no number of an interface`);
  }
  if (findLink(ifindex) === null) throw bad("ifindex", `there is no interface with number ${ifindex}`);
  return { server, mac: mac.toLowerCase(), ifindex };
}

function send(response: ServerResponse, { status, body, headers }: Reply): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}
