/** The health of a state's backends, asked of real servers: each question once, whoever wants to know. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { noKernel, withoutKernel } from "../../../test/kernel.ts";
import { addAddress, getLink } from "../../sys/netlink/index.ts";
import type { State } from "../contract.ts";
import { completeState } from "../document.ts";
import { moveIntoNamespace } from "../testing/namespace.ts";
import { type HealthChange, HealthChecks } from "./health.ts";

const HOST = "10.7.0.1";

describe.skipIf(noKernel)(`health${withoutKernel}`, () => {
  let leave: () => void;
  let health: HealthChecks;
  let server: Server;
  let port: number;
  let asked = 0;
  const changes: string[] = [];

  beforeAll(async () => {
    leave = moveIntoNamespace("health");
    addAddress({ ifindex: getLink("lo").ifindex, address: HOST, prefixLength: 32 });
    server = createServer((socket) => {
      asked++;
      socket.resume();
    });
    server.listen(0, HOST);
    await once(server, "listening");
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(() => health?.close());
  afterAll(() => {
    server?.close();
    leave?.();
  });

  const start = () => {
    changes.length = 0;
    health = new HealthChecks(({ service, from, state }: HealthChange) =>
      changes.push(`${service.name} ${from} ${state.health}`),
    );
  };
  const state = (services: number, interval: number, check = { type: "tcp", timeout: 0.5, fall: 1, port }): State =>
    completeState({
      services: Array.from({ length: services }, (_, index) => ({
        name: `s${index}`,
        address: `192.0.2.${index + 1}`,
        port: 80,
        protocol: "tcp",
        check: { ...check, interval },
        backends: [{ address: HOST }],
      })),
    });
  const healthOf = (of: State) =>
    of.services.map((service) => service.backends.map((backend) => health.statusOf(service, backend).health)[0]);

  it("a host that serves many is asked once, and all hear of it", async () => {
    start();
    asked = 0;
    const many = state(50, 3600);
    health.set(many);
    expect(healthOf(many)[0]).toBe("unknown");
    await expect.poll(() => changes.length).toBe(50);
    expect(new Set(healthOf(many))).toEqual(new Set(["up"]));
    expect(asked).toBe(1);
    // Others who ask the same know at once, and those who go leave it to the rest.
    health.set(state(60, 3600));
    expect(healthOf(state(60, 3600))).not.toContain("unknown");
    health.set(state(1, 3600));
    expect([asked, healthOf(state(2, 3600))]).toEqual([1, ["up", "unchecked"]]);
  });

  it("another question keeps the answer that there was until it has its own", async () => {
    start();
    health.set(state(1, 3600));
    await expect.poll(() => changes).toEqual(["s0 unknown up"]);
    const refused = state(1, 0.1, { type: "tcp", timeout: 0.5, fall: 1, port: 1 });
    health.set(refused);
    expect(healthOf(refused)).toEqual(["up"]);
    await expect.poll(() => changes).toEqual(["s0 unknown up", "s0 up down"]);
    expect(health.decide(refused.services[0] as State["services"][0])).toBe(true);
    expect(health.isFailOpen(refused.services[0] as State["services"][0])).toBe(true);
  });

  it("who was down begins as such, and asks no more when nobody wants to know", async () => {
    start();
    const one = state(1, 0.1);
    health.set(one, () => true);
    expect(healthOf(one)).toEqual(["down"]);
    await expect.poll(() => healthOf(one)).toEqual(["up"]);
    health.set(state(0, 1));
    expect(healthOf(one)).toEqual(["unchecked"]);
  });
});
