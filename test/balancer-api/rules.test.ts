/** The rules of the XDP redirect demo over a service of the balancer: requests, answers and errors as its document has them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeRulesApi } from "../../src/balancer/api/rules.ts";
import type { Balancer } from "../../src/balancer/contract.ts";
import { findLink } from "../../src/sys/netlink/index.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import { replaceState, TestBalancers } from "./test-balancer.ts";

const LOOPBACK = findLink("lo")?.ifindex ?? 0;
const SERVICE = { name: "game", address: "192.0.2.1", port: 7999, protocol: "udp", mode: "redirect" };
const RULE = { server: "172.17.0.2", mac: "02:42:ac:11:00:02", ifindex: LOOPBACK };

describe.skipIf(noKernel)(`rules${withoutKernel}`, () => {
  let balancers: TestBalancers;
  let balancer: Balancer;
  let app: Awaited<ReturnType<typeof makeRulesApi>>;
  beforeAll(async () => {
    balancers = new TestBalancers();
    balancer = await balancers.start();
    app = await makeRulesApi(balancer, {});
  });
  beforeEach(async () => {
    await replaceState(balancer, { services: [] });
    await replaceState(balancer, { services: [SERVICE] });
  });
  afterAll(async () => {
    await app?.close();
    await balancers?.end();
  });

  /** As `curl -d` sends it. */
  const post = (rules: unknown, url = "/rules?sourceAddr=192.168.122.50") =>
    app.inject({
      method: "POST",
      url,
      payload: typeof rules === "string" ? rules : JSON.stringify(rules),
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });

  test("rules become the service's backends, and are read as they were written", async () => {
    const answer = await post([RULE, { ...RULE, server: "172.17.0.3" }]);
    expect([answer.statusCode, answer.json()]).toEqual([200, { message: "ok" }]);
    expect(balancer.state.services[0]?.backends).toMatchObject([
      { address: "172.17.0.2", mac: RULE.mac, device: "lo", source: "192.168.122.50" },
      { address: "172.17.0.3" },
    ]);
    expect((await app.inject({ url: "/rules" })).json()).toEqual([
      { ...RULE, forward_bytes: 0, forward_packages: 0 },
      { ...RULE, server: "172.17.0.3", forward_bytes: 0, forward_packages: 0 },
    ]);
    await post([RULE]);
    expect(balancer.state.services[0]?.backends).toHaveLength(1);
  });

  describe("what is wrong is said in the demo's form", () => {
    test.each([
      [[RULE], "/rules", { message: "sourceAddr is required", field: "sourceAddr" }],
      [[RULE], "/rules?sourceAddr=here", { message: '"here" is no IP address', field: "sourceAddr" }],
      [[], undefined, { message: "servers can't be empty" }],
      ["[", undefined, { message: expect.stringContaining("decode request error: ") }],
      [[{ ...RULE, mac: "02:42" }], undefined, { message: expect.stringContaining("no MAC address"), field: "[0].mac" }],
      [[RULE, { ...RULE, server: "nowhere" }], undefined, { message: '"nowhere" is no IP address', field: "[1].server" }],
      [
        [{ ...RULE, ifindex: 99_999_999 }],
        undefined,
        { message: "there is no interface with number 99999999", field: "[0].ifindex" },
      ],
      [
        [RULE, RULE],
        undefined,
        { message: expect.stringContaining("is there already"), field: expect.stringContaining("[1]") },
      ],
    ])("%j %s", async (rules, url, message) => {
      const answer = await post(rules, url);
      expect([answer.statusCode, answer.json()]).toEqual([400, message]);
      expect(balancer.state.services[0]?.backends).toEqual([]);
    });

    test("without a service in mode redirect", async () => {
      await replaceState(balancer, { services: [] });
      expect((await post([RULE])).json()).toEqual({ message: "there is no service in mode redirect" });
      expect((await app.inject({ url: "/rules" })).statusCode).toBe(409);
    });

    test("other paths and methods", async () => {
      const put = await app.inject({ method: "PUT", url: "/rules" });
      expect([put.statusCode, put.headers.allow]).toEqual([405, "GET, POST"]);
      expect((await app.inject({ url: "/" })).json()).toEqual({ message: "there is no /, only /rules" });
    });

    test("pages of other sites", async () => {
      const headers = { origin: "http://attacker.example", "content-type": "text/plain" };
      const answer = await app.inject({
        method: "POST",
        url: "/rules?sourceAddr=192.0.2.9",
        payload: JSON.stringify([RULE]),
        headers,
      });
      expect(answer.statusCode).toBe(403);
    });
  });
});
