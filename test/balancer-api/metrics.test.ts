/** The balancer's /metrics: what it says of a balancer, and that it says it as Prometheus has it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type App, makeApi } from "../../src/balancer/api/server.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import { hasTool } from "../own-network.ts";
import { ask } from "./ask.ts";
import { TestBalancers } from "./test-balancer.ts";

describe.skipIf(noKernel)(`metrics${withoutKernel}`, () => {
  let balancers: TestBalancers;
  let app: App;
  beforeAll(async () => {
    balancers = new TestBalancers();
    app = await makeApi(await balancers.start(), {});
    const backends = [
      { name: "b1", address: "10.0.0.2" },
      { address: "10.0.0.3", port: 8080 },
    ];
    await ask(app, "PUT", "/services/web", { address: "192.0.2.1", port: 80, protocol: "tcp", backends });
  });
  afterAll(async () => {
    await app?.close();
    await balancers?.end();
  });

  const metrics = async () => (await app.inject({ url: "/metrics" })).body;

  test("services, backends, reasons and maps are there", async () => {
    const lines = (await metrics()).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "# TYPE wirescript_balancer_service_packets_total counter",
        'wirescript_balancer_service_packets_total{service="web"} 0',
        'wirescript_balancer_service_info{service="web",address="192.0.2.1",port="80",protocol="tcp",mode="nat"} 1',
        'wirescript_balancer_backend_up{service="web",backend="b1"} 1',
        'wirescript_balancer_backend_weight{service="web",backend="10.0.0.3:8080"} 100',
        'wirescript_balancer_fate_packets_total{reason="no_service"} 0',
        'wirescript_balancer_map_pressure_ratio{map="flows4"} 0',
        "wirescript_balancer_config_revision 2",
      ]),
    );
  });

  test("the API's own times are there by route, not by path", async () => {
    await ask(app, "GET", "/services/web");
    await ask(app, "GET", "/services/nil");
    const text = await metrics();
    expect(text).toContain('http_request_duration_seconds_count{method="GET",route="/services/:service",status="404"} 1');
    expect(text).not.toContain("nil");
  });

  test("the type is Prometheus' text format", async () => {
    const { headers } = await app.inject({ url: "/metrics" });
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  const promtool = hasTool("promtool");
  test.skipIf(!promtool)(`promtool finds nothing to say${promtool ? "" : " (skipped: needs promtool)"}`, async () => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
      input: await metrics(),
      encoding: "utf8",
    });
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: "" });
  });

  test("every metric that the dashboard asks for is there", async () => {
    const dashboard = readFileSync(new URL("../../docs/grafana/wirescript-balancer.json", import.meta.url), "utf8");
    const known = new Set((await metrics()).match(/wirescript_balancer_\w+/g));
    const asked = new Set(dashboard.match(/wirescript_balancer_\w+/g));
    expect(asked.size).toBeGreaterThan(10);
    expect([...asked].filter((name) => !known.has(name))).toEqual([]);
  });
});
