/** Backends, the whole state, flows and what is at the moment, over the API. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type App, makeApi } from "../../src/balancer/api/server.ts";
import type { Balancer } from "../../src/balancer/contract.ts";
import { addPair } from "../../src/balancer/testing/namespace.ts";
import { deleteLink } from "../../src/sys/netlink/index.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import { type Method, ask as request } from "./ask.ts";
import { SOURCES, TestBalancers } from "./test-balancer.ts";

const WEB = { name: "web", address: "192.0.2.1", port: 80, protocol: "tcp", backends: [{ name: "b1", address: "10.0.0.2" }] };

describe.skipIf(noKernel)(`backends and the state${withoutKernel}`, () => {
  let balancers: TestBalancers;
  let balancer: Balancer;
  let app: App;
  const ask = (method: Method, url: string, body?: unknown, headers?: Record<string, string>) =>
    request(app, method, url, body, headers);
  beforeAll(() => {
    balancers = new TestBalancers();
  });
  afterAll(() => balancers?.end());
  beforeEach(async () => {
    balancer = await balancers.start();
    app = await makeApi(balancer, {});
    expect((await ask("PUT", "/state", { ...SOURCES, services: [WEB] })).status).toBe(200);
  });
  afterEach(() => app.close());

  describe("backends", () => {
    test("are added, changed, drained and removed", async () => {
      expect((await ask("PUT", "/services/web/backends/b2", { address: "10.0.0.3" })).status).toBe(201);
      expect((await ask("PATCH", "/services/web/backends/b2", { weight: 50, drain: true })).status).toBe(200);
      expect((await ask("GET", "/services/web/backends/b2")).body).toMatchObject({ name: "b2", weight: 50, drain: true });
      expect((await ask("PATCH", "/services/web/backends/b2", { drain: null })).status).toBe(200);
      expect((await ask("GET", "/services/web/backends")).body.backends).toMatchObject([{ name: "b1" }, { drain: false }]);
      expect((await ask("DELETE", "/services/web/backends/b1")).status).toBe(200);
      expect(balancer.state.services[0]?.backends.map(({ name }) => name)).toEqual(["b2"]);
    });

    test("go by their address and port without a name", async () => {
      expect((await ask("PUT", "/services/six", { ...WEB, name: "six", address: "fd00::1", backends: [] })).status).toBe(201);
      const url = `/services/six/backends/${encodeURIComponent("[fd00::2]:8080")}`;
      expect((await ask("PUT", url, { address: "fd00::2", port: 8080 })).status).toBe(201);
      const got = await ask("GET", url);
      expect(got.body).toMatchObject({ address: "fd00::2", port: 8080, weight: 100 });
      expect((await ask("PUT", url, got.body)).body).toMatchObject({ changes: [] });
    });

    test("that are not there, or of services that are not, are 404", async () => {
      expect((await ask("PATCH", "/services/web/backends/b9", { weight: 1 })).body).toMatchObject({
        status: 404,
        detail: 'There is no backend of web called "b9".',
        fix: "There is b1.",
      });
      expect((await ask("PUT", "/services/nil/backends/b1", { address: "10.0.0.2" })).status).toBe(404);
    });

    test("cannot take the name of another", async () => {
      await ask("PUT", "/services/web/backends/b2", { address: "10.0.0.3" });
      expect((await ask("PATCH", "/services/web/backends/b2", { name: "b1" })).status).toBe(409);
      expect((await ask("PUT", "/services/web/backends/b2", { name: "b1", address: "10.0.0.3" })).body.problems).toMatchObject([
        { field: "/name" },
      ]);
    });
  });

  describe("the whole state", () => {
    test("is read, and put as it was read", async () => {
      const read = await ask("GET", "/state");
      expect(read.body.services).toHaveLength(1);
      expect(read.headers.etag).toBe('"2"');
      expect((await ask("PUT", "/state", read.body, { "if-match": '"2"' })).body).toMatchObject({ revision: 2, changes: [] });
    });

    test("tells every problem at once", async () => {
      const answer = await ask("PUT", "/state", { tableSize: 10, services: [{ ...WEB, port: 0 }, { name: "?" }], nothing: 1 });
      expect(answer.status).toBe(422);
      expect(answer.body.problems.map(({ field }: { field: string }) => field)).toEqual(
        expect.arrayContaining(["/services/0/port", "/services/1/name", "/services/1/address", "/nothing"]),
      );
    });

    test("is checked beyond its schema", async () => {
      const answer = await ask("PUT", "/state?dryRun=true", { tableSize: 10 });
      expect(answer.body.problems).toMatchObject([{ field: "/tableSize", fix: "Give 11." }]);
    });

    test("is patched", async () => {
      expect((await ask("PATCH", "/state", { mtu: 9000, services: [] })).status).toBe(200);
      expect(balancer.state).toMatchObject({ mtu: 9000, services: [] });
    });
  });

  test("where a connection goes is told, and what is wrong with the question", async () => {
    const url = "/flows?protocol=tcp&client=198.51.100.7&clientPort=40000&address=192.0.2.1&port=80";
    expect((await ask("GET", url)).body).toMatchObject({ service: "web", backend: "b1", by: "table" });
    const wrong = await ask("GET", "/flows?protocol=icmp&client=example&clientPort=40000&address=192.0.2.1");
    expect(wrong.status).toBe(422);
    expect(wrong.body.problems.map(({ field }: { field: string }) => field).sort()).toEqual(["port", "protocol"]);
    expect((await ask("GET", url.replace("198.51.100.7", "fd00::1"))).body.problems).toMatchObject([{ field: "client" }]);
  });

  test("health, counters and a service's status are parts of the status", async () => {
    expect((await ask("GET", "/health")).body).toMatchObject({ status: "ok", services: [{ name: "web", up: 1 }] });
    expect((await ask("GET", "/counters")).body).toMatchObject({ services: [{ name: "web", backends: [{ name: "b1" }] }] });
    expect((await ask("GET", "/services/web/status")).body).toMatchObject({ name: "web" });
    expect((await ask("GET", "/services/nil/status")).status).toBe(404);
  });

  test("health tells which devices of the state are missing", async () => {
    const pairs = ["lb0", "lb1"].map((name) => addPair(name)[0]);
    expect((await ask("PATCH", "/state", { devices: [{ name: "lb0" }, { name: "lb1" }] })).status).toBe(200);
    const health = async () => (await ask("GET", "/health")).body;
    expect(await health()).toMatchObject({ status: "ok", missingDevices: [] });
    const missing = ["lb0", "lb1"].map((name) => ({ name, reason: `There is no device ${name}.` }));
    deleteLink(pairs[0] as number);
    await expect.poll(health).toMatchObject({ status: "degraded", missingDevices: missing.slice(0, 1) });
    deleteLink(pairs[1] as number);
    await expect.poll(health).toMatchObject({ status: "failing", missingDevices: missing });
  });
});
