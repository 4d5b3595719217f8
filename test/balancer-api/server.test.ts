/** Who may ask, and what the documentation says of the API. */
import { gzipSync } from "node:zlib";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { type ApiOptions, type App, makeApi } from "../../src/balancer/api/server.ts";
import { StateNotSaved } from "../../src/balancer/refusals.ts";
import { MemoryBalancer } from "./memory-balancer.ts";

let app: App | undefined;
const open = async (options: ApiOptions) => {
  app = await makeApi(new MemoryBalancer(), options);
  return app;
};
afterEach(() => app?.close());

const TOKEN = "correct horse battery staple";

test("a token is asked for where there is one, and what it is is not told", async () => {
  const app = await open({ token: TOKEN });
  const status = async (authorization?: string) =>
    (await app.inject({ url: "/status", headers: authorization === undefined ? {} : { authorization } })).statusCode;
  expect(await status()).toBe(401);
  expect(await status("Bearer wrong")).toBe(401);
  expect(await status(`Basic ${TOKEN}`)).toBe(401);
  expect(await status(`Bearer ${TOKEN}`)).toBe(200);
  expect(await status(`bearer ${TOKEN}`)).toBe(200);
  expect(await status(`bearer ${TOKEN.toUpperCase()}`)).toBe(401);
  const refused = await app.inject({ url: "/status" });
  expect(refused.headers["www-authenticate"]).toContain("Bearer");
  expect(refused.json()).toMatchObject({ status: 401, code: "no-token" });
  expect((await app.inject({ url: "/docs/" })).statusCode).toBe(200);
  expect((await app.inject({ url: "/openapi.json" })).statusCode).toBe(200);
});

test("who guesses tokens is told to wait", async () => {
  const app = await open({ token: TOKEN });
  for (let tries = 0; tries < 20; tries++) await app.inject({ url: "/status", headers: { authorization: "Bearer wrong" } });
  const answer = await app.inject({ url: "/status", headers: { authorization: "Bearer wrong" } });
  expect(answer.json()).toMatchObject({ status: 429, code: "too-many" });
  expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
});

test("who is refused is logged once, without what it sent", async () => {
  const lines: string[] = [];
  const logger = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
  const app = await open({ token: TOKEN, requestsPerSecond: 3, logger });
  const from = (remoteAddress: string, token: string) =>
    app.inject({ url: "/status", headers: { authorization: `Bearer ${token}` }, remoteAddress });
  for (let each = 0; each < 5; each++) await from("192.0.2.1", "wrong-secret");
  for (let each = 0; each < 5; each++) await from("192.0.2.1", TOKEN);
  await from("192.0.2.2", "wrong-secret");
  const token = "Requests are refused: they have no token, or not the right one.";
  expect(lines.map((line) => JSON.parse(line)).map(({ client, msg }) => [client, msg])).toEqual([
    ["192.0.2.1", token],
    ["192.0.2.1", "Requests are refused: there are too many from this address."],
    ["192.0.2.2", token],
  ]);
  expect(lines.join()).not.toMatch(/secret|horse/);
});

test("a disk that does not take a change is told by its name, and is not the request's fault", async () => {
  const balancer = new MemoryBalancer();
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  balancer.apply = () => Promise.reject(new StateNotSaved("/var/lib/wirescript/balancer/default", full));
  app = await makeApi(balancer, {});
  const answer = await app.inject({ method: "PATCH", url: "/state", payload: { mtu: 1400 } });
  expect(answer.json()).toMatchObject({
    status: 507,
    code: "not-saved",
    detail: expect.stringContaining("ENOSPC"),
    fix: expect.stringContaining("df /var/lib/wirescript/balancer/default"),
  });
});

test("a limit of requests per second holds", async () => {
  const app = await open({ requestsPerSecond: 3 });
  const statuses = [];
  for (let each = 0; each < 5; each++) statuses.push((await app.inject({ url: "/status" })).statusCode);
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
});

test.each([
  ["127.0.0.1:8080", 200],
  ["[::1]:8080", 200],
  ["localhost", 200],
  ["balancer.example", 200],
  ["attacker.example", 421],
  ["127.0.0.1.attacker.example", 421],
])("the host %s is answered with %d", async (host, status) => {
  const app = await open({ hosts: ["balancer.example"] });
  expect((await app.inject({ url: "/status", headers: { host } })).statusCode).toBe(status);
});

test("a body that is compressed is of a type that is not read", async () => {
  const app = await open({});
  const send = (encoding: string, payload: Buffer | string) =>
    app.inject({
      method: "PUT",
      url: "/state",
      payload,
      headers: { "content-type": "application/json", "content-encoding": encoding },
    });
  expect((await send("gzip", gzipSync("{}"))).json()).toMatchObject({ status: 415, code: "encoding" });
  expect((await send("identity", "{}")).statusCode).toBe(200);
});

test("pages of other sites are refused", async () => {
  const app = await open({});
  const from = async (origin: string) =>
    (await app.inject({ url: "/status", headers: { host: "127.0.0.1:80", origin } })).statusCode;
  expect(await from("http://127.0.0.1:80")).toBe(200);
  expect(await from("http://attacker.example")).toBe(403);
  expect(await from("null")).toBe(403);
});

test("OpenAPI 3.1 names every route and every schema", async () => {
  const app = await open({});
  const document = (await app.inject({ url: "/openapi.json" })).json();
  expect(document.openapi).toBe("3.1.0");
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(["/services", "/services/{service}", "/status"]));
  const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining([...new Set(references)]));
  const of = (method: string, path: string) => document.paths[path][method];
  expect(of("get", "/services/{service}").responses["200"].content["application/json"].schema).toEqual({
    $ref: "#/components/schemas/Service",
  });
  expect(of("put", "/state").requestBody.content["application/json"].schema).toEqual({ $ref: "#/components/schemas/State" });
  expect(Object.keys(of("patch", "/state").requestBody.content)).toContain("application/merge-patch+json");
  // What has a default need not be sent.
  expect(document.components.schemas.Service.required).toEqual(["name", "address", "port", "protocol"]);
  expect(of("put", "/state").parameters[0]).toMatchObject({ name: "dryRun", required: false });
  const headersOf = (method: string, path: string) =>
    (of(method, path).parameters as { name: string; in: string }[]).flatMap((each) => (each.in === "header" ? each.name : []));
  expect(headersOf("put", "/state")).toEqual(["If-Match", "If-None-Match"]);
  expect(headersOf("delete", "/services/{service}/backends/{backend}")).toEqual(["If-Match", "If-None-Match"]);
  expect(headersOf("get", "/services")).toEqual(["If-None-Match"]);
  expect(headersOf("get", "/events")).toEqual(["Last-Event-ID"]);
  expect(of("get", "/services").responses["304"].headers).toHaveProperty("ETag");
  expect(of("put", "/services/{service}").responses["201"].headers).toHaveProperty("ETag");
  expect(of("get", "/status").responses["200"]).not.toHaveProperty("headers");
  expect(document.components.securitySchemes).toMatchObject({ token: { type: "http", scheme: "bearer" } });
  expect(document.security).toBeUndefined();
});

test("the page at /docs is made of files of this service", async () => {
  const app = await open({});
  const page = await app.inject({ url: "/docs/" });
  expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
  const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? "");
  expect(files.length).toBeGreaterThan(4);
  for (const file of files) {
    expect(file).toMatch(/^\.\//);
    expect((await app.inject({ url: `/docs/${file.slice(2)}` })).statusCode).toBe(200);
  }
});
