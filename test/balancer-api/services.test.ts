/** Services over the API: what is answered, and what of it becomes the state. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type App, makeApi } from "../../src/balancer/api/server.ts";
import type { Balancer } from "../../src/balancer/contract.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import { type Method, ask as request } from "./ask.ts";
import { TestBalancers } from "./test-balancer.ts";

const WEB = { address: "192.0.2.1", port: 80, protocol: "tcp", backends: [{ name: "b1", address: "10.0.0.2" }] };

describe.skipIf(noKernel)(`services${withoutKernel}`, () => {
  let balancers: TestBalancers;
  let balancer: Balancer;
  let app: App;
  beforeAll(() => {
    balancers = new TestBalancers();
  });
  afterAll(() => balancers?.end());
  beforeEach(async () => {
    balancer = await balancers.start();
    app = await makeApi(balancer, {});
  });
  afterEach(() => app.close());

  const ask = (method: Method, url: string, body?: unknown, headers?: Record<string, string>) =>
    request(app, method, url, body, headers);

  test("a service that is put is there, with all defaults", async () => {
    const put = await ask("PUT", "/services/web", WEB);
    expect(put.status).toBe(201);
    expect(put.headers.location).toBe("/services/web");
    expect(put.headers.etag).toBe('"2"');
    expect(put.body).toMatchObject({ revision: 2, dryRun: false, summary: "moves no slots", changes: [{ action: "add" }] });
    const got = await ask("GET", "/services/web");
    expect(got.body).toMatchObject({
      name: "web",
      mode: "nat",
      affinity: "connection",
      backends: [{ name: "b1", weight: 100 }],
    });
  });

  test("putting it again changes nothing", async () => {
    await ask("PUT", "/services/web", WEB);
    const again = await ask("PUT", "/services/web", WEB);
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ revision: 2, changes: [], summary: "moves no slots" });
  });

  test("a dry run says what would change, and changes nothing", async () => {
    const dry = await ask("PUT", "/services/web?dryRun=true", WEB);
    expect(dry.status).toBe(200);
    expect(dry.body).toMatchObject({ revision: 1, dryRun: true, summary: "moves no slots", changes: [{ action: "add" }] });
    expect(balancer.state.services).toEqual([]);
  });

  test("the answer to a change says how many slots it moves, and a dry run says so before", async () => {
    const backends = ["b1", "b2", "b3", "b4"].map((name, index) => ({ name, address: `10.0.0.${index + 2}` }));
    await ask("PUT", "/services/web", { ...WEB, backends });
    const dry = await ask("DELETE", "/services/web/backends/b4?dryRun=true");
    const done = await ask("DELETE", "/services/web/backends/b4");
    expect(dry.body).toEqual({ ...done.body, revision: 2, dryRun: true });
    // A quarter is the removed one's; few others move besides.
    const [{ slots, of }] = done.body.moved;
    expect(of).toBe(65_537);
    expect(slots / of).toBeGreaterThanOrEqual(0.249);
    expect(slots / of).toBeLessThan(0.3);
    expect(done.body.summary).toMatch(/^moves 2\d(\.\d)? % of slots$/);
  });

  test("a parameter that there is not is refused: ?dryrun=true must not change anything", async () => {
    const answer = await ask("PUT", "/services/web?dryrun=true", WEB);
    expect(answer.status).toBe(422);
    expect(answer.body.problems).toEqual([
      { field: "dryrun", reason: "There is no such field here.", fix: "Did you mean dryRun?" },
    ]);
    expect(balancer.revision).toBe(1);
  });

  test("a patch sets what it names, and null puts back the default", async () => {
    await ask("PUT", "/services/web", { ...WEB, mode: "ipip", affinity: "source" });
    const patched = await ask("PATCH", "/services/web", { mode: null, port: 443 });
    expect(patched.status).toBe(200);
    expect((await ask("GET", "/services/web")).body).toMatchObject({ mode: "nat", port: 443, affinity: "source" });
  });

  test("a removed service is gone", async () => {
    await ask("PUT", "/services/web", WEB);
    expect((await ask("DELETE", "/services/web")).status).toBe(200);
    const gone = await ask("GET", "/services/web");
    expect(gone.status).toBe(404);
    expect(gone.headers["content-type"]).toBe("application/problem+json");
    expect(gone.body).toMatchObject({ title: "Not Found", status: 404, code: "not-found", instance: "/services/web" });
  });

  describe("conflicts", () => {
    test("an address that another service has is 409", async () => {
      await ask("PUT", "/services/web", WEB);
      const answer = await ask("PUT", "/services/other", WEB);
      expect(answer.status).toBe(409);
      expect(answer.body).toMatchObject({ code: "taken", detail: "Port 80/tcp of 192.0.2.1 belongs to the service web." });
    });

    test("a name that another service has is 409", async () => {
      await ask("PUT", "/services/web", WEB);
      await ask("PUT", "/services/dns", { ...WEB, port: 53 });
      expect((await ask("PATCH", "/services/dns", { name: "web" })).body).toMatchObject({ status: 409, code: "taken" });
    });

    test("an If-Match of another revision is 412, and tells the one that there is", async () => {
      await ask("PUT", "/services/web", WEB);
      const answer = await ask("PATCH", "/services/web", { port: 81 }, { "if-match": '"1"' });
      expect(answer.status).toBe(412);
      expect(answer.headers.etag).toBe('"2"');
      expect(answer.body).toMatchObject({ code: "changed-meanwhile", revision: 2 });
      expect((await ask("PATCH", "/services/web", { port: 81 }, { "if-match": '"2"' })).status).toBe(200);
    });

    test("If-None-Match: * adds only", async () => {
      expect((await ask("PUT", "/services/web", WEB, { "if-none-match": "*" })).status).toBe(201);
      expect((await ask("PUT", "/services/web", WEB, { "if-none-match": "*" })).status).toBe(412);
    });

    test("what was read is not sent again: 304", async () => {
      await ask("PUT", "/services/web", WEB);
      const answer = await ask("GET", "/services/web", undefined, { "if-none-match": 'W/"1", "2"' });
      expect(answer.status).toBe(304);
      expect(answer.body).toBeNull();
    });

    test("a hundred clients at once that change a service each all get their change", async () => {
      const puts = Array.from({ length: 100 }, (_, index) => ask("PUT", `/services/s${index}`, { ...WEB, port: index + 1 }));
      expect(new Set((await Promise.all(puts)).map(({ status }) => status))).toEqual(new Set([201]));
      expect(balancer.state.services).toHaveLength(100);
    });
  });

  describe("what is wrong is told at once", () => {
    test("every field with its place, reason and fix", async () => {
      const answer = await ask("PUT", "/services/web", {
        ...WEB,
        port: 70_000,
        protocol: "sctp",
        backends: [{ address: "10.0.0.2", weight: -1 }],
        extra: true,
      });
      expect(answer.status).toBe(422);
      expect(answer.body.problems.map(({ field }: { field: string }) => field).sort()).toEqual(
        expect.arrayContaining(["/backends/0/weight", "/port", "/protocol"]),
      );
      expect(balancer.revision).toBe(1);
    });

    test("problems of the whole state are told by their place in the body", async () => {
      const answer = await ask("PUT", "/services/web", { ...WEB, address: "example" });
      expect(answer.body.problems).toMatchObject([{ field: "/address", reason: '"example" is no IP address.' }]);
    });
  });

  describe("bodies", () => {
    const send = (payload: string, type: string) =>
      app.inject({ method: "PUT", url: "/services/web", payload, headers: { "content-type": type } });

    test.each([
      ["no JSON", "{", "application/json", 400, "no-json"],
      ["nothing", "", "application/json", 400, "no-json"],
      ["a form", "a=b", "application/x-www-form-urlencoded", 415, "media-type"],
      ["plain text", "{}", "text/plain", 415, "media-type"],
      ["__proto__", '{"__proto__":{}}', "application/json", 400, "no-json"],
      ["100,000 levels", "[".repeat(100_000) + "]".repeat(100_000), "application/json", 400, "too-deep"],
      ["more than 1 MiB", JSON.stringify("x".repeat(1024 * 1024)), "application/json", 413, "too-large"],
      ["a list", "[]", "application/json", 422, "invalid"],
    ])("%s", async (_, payload, type, status, code) => {
      const response = await send(payload, type);
      expect(response.headers["content-type"]).toBe("application/problem+json");
      expect(response.json()).toMatchObject({ status, code });
    });
  });

  test("a path that there is not is 404, a method that it has not is 405", async () => {
    expect((await ask("GET", "/nothing")).body).toMatchObject({ status: 404, code: "no-route" });
    const post = await ask("POST", "/services/web");
    expect(post.body).toMatchObject({ status: 405, code: "no-method" });
    expect(post.headers.allow).toBe("DELETE, GET, HEAD, PATCH, PUT");
    expect((await ask("GET", "/services/%zz")).body).toMatchObject({ status: 400, code: "bad-url" });
  });
});
