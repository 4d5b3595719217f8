/** Changes while connections are open and requests come: what lives goes on, whatever happens to the others and to the service itself. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { BackendStatus } from "../../../src/balancer/contract.ts";
import { SERVER_PORT } from "../../../src/lab/traffic/index.ts";
import { cannotRun, titled } from "../../cli/sandbox.ts";
import { ServedBalancer } from "./served.ts";

const SERVERS = 4;
const ADDRESS = "10.12.99.80";
const PAGE = `http://${ADDRESS}/`;
const HELD = 80;
const AT_ONCE = 8;

const isTaking = ({ health, slots }: BackendStatus) => health === "up" && slots > 0;

describe.skipIf(cannotRun !== null)(titled("changes under load"), () => {
  let balancer: ServedBalancer;
  const server = (number: number) => {
    const found = balancer.lab.servers[number - 1];
    if (found === undefined) throw new Error(`no server ${number}`);
    return found;
  };
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);
  const backend = (number: number, more = "") =>
    `      - { name: server-${number}, address: ${server(number).host.ip4}, port: ${SERVER_PORT}${more} }\n`;
  const document = (...backends: string[]) => `source4: ${balancer.lab.network.host(1).gateway?.ip4}
tableSize: 5003
services:
  - name: web
    address: ${ADDRESS}
    port: 80
    protocol: tcp
    check: { type: http, interval: 0.2, timeout: 1, rise: 1, fall: 3 }
    backends:
${backends.join("")}`;
  const all = () => document(backend(1), backend(2), backend(3), backend(4));

  beforeAll(async () => {
    balancer = await ServedBalancer.setup({ name: `bc${process.pid}`, servers: SERVERS, middle: "router" });
    await balancer.serve(all());
  });
  afterAll(() => balancer?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    await balancer.steer("apply", balancer.write(all()));
    await balancer.until((backends) => backends.length === SERVERS && backends.every(isTaking));
  });

  /** Requests, `AT_ONCE` at a time and one after the other, while `work` is done: what became of them, and of connections that were held. */
  async function underLoad(work: () => Promise<void>): Promise<{
    answers: Record<string, number>;
    unanswered: Record<string, number>;
    broken: Record<string, number>;
    moved: number;
  }> {
    const held = await balancer.lab.hold(PAGE, HELD);
    const answers: Record<string, number> = {};
    const unanswered: Record<string, number> = {};
    let working = true;
    const load = (async () => {
      while (working) {
        const tally = await balancer.lab.request(PAGE, 100, { atOnce: AT_ONCE });
        for (const [name, count] of Object.entries(tally.answers)) answers[name] = (answers[name] ?? 0) + count;
        for (const [error, count] of Object.entries(tally.errors)) unanswered[error] = (unanswered[error] ?? 0) + count;
      }
    })();
    try {
      await work();
    } finally {
      working = false;
    }
    await load;
    const { errors, moved } = await held.release();
    return { answers, unanswered, broken: errors, moved };
  }

  test("a backend is drained: its connections stay, and it gets no new ones", async () => {
    const before = (await balancer.status()).services[0]?.backends.find(({ name }) => name === "server-2")?.counters.flows ?? 0;
    const { unanswered, broken, moved } = await underLoad(async () => {
      expect(await balancer.steer("drain", "web/server-2")).toMatch(/moves 2\d(\.\d)? % of slots/);
    });
    expect({ unanswered, broken, moved }).toEqual({ unanswered: {}, broken: {}, moved: 0 });
    const drained = (await balancer.status()).services[0]?.backends.find(({ name }) => name === "server-2");
    expect(drained).toMatchObject({ draining: true, slots: 0 });
    expect(drained?.counters.flows).toBeGreaterThan(before);
    const tally = await balancer.lab.request(PAGE, 400);
    expect(tally.answers["server-2"]).toBeUndefined();
    expect(sum(tally.answers)).toBe(400);
  });

  test("a backend is removed and added, and weights change: what the others have stays", async () => {
    const { answers, unanswered, broken, moved } = await underLoad(async () => {
      await balancer.steer("set", "web/server-1", "weight=300");
      await balancer.steer("apply", balancer.write(document(backend(1), backend(2, ", weight: 20"), backend(3), backend(4))));
      await balancer.steer("apply", balancer.write(all()));
    });
    expect({ unanswered, broken, moved }).toEqual({ unanswered: {}, broken: {}, moved: 0 });
    expect(Object.keys(answers)).toHaveLength(SERVERS);
    const removal = await underLoad(async () => {
      await balancer.steer("apply", balancer.write(document(backend(1), backend(2), backend(3))));
      await balancer.steer("apply", balancer.write(all()));
    });
    // What server-4 had is spread anew, and refused by who gets it: to spare connections, one drains. Requests had one each, and no second one.
    for (const error of Object.keys(removal.broken)) expect(error).toMatch(/^server-4:/);
    for (const error of Object.keys(removal.unanswered)) expect(error).toBe("ECONNRESET");
    expect(sum(removal.unanswered)).toBeLessThanOrEqual(AT_ONCE);
    expect(removal.moved).toBe(0);
  });

  test("a backend dies and comes back: only its own connections break", async () => {
    const held = await balancer.lab.hold(PAGE, HELD);
    await balancer.lab.killServer(server(3));
    // The kernel's table is without it a moment after its health is known.
    await balancer.until((backends) =>
      backends.some(({ name, health, slots }) => name === "server-3" && health === "down" && slots === 0),
    );
    const without = await balancer.lab.request(PAGE, 400);
    expect(without.errors).toEqual({});
    expect(without.answers["server-3"]).toBeUndefined();
    await balancer.lab.startServer(server(3));
    await balancer.until((backends) => backends.every(isTaking));
    const again = await balancer.lab.request(PAGE, 400);
    expect(again.errors).toEqual({});
    expect(again.answers["server-3"]).toBeGreaterThan(40);
    const { errors, moved } = await held.release();
    expect(moved).toBe(0);
    for (const error of Object.keys(errors)) expect(error).toMatch(/^server-3:/);
    expect(sum(errors)).toBeGreaterThan(0);
  });

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "the service ends by %s and starts again: nothing breaks, nothing is counted anew",
    async (signal) => {
      const before = (await balancer.status()).services[0]?.counters;
      const { unanswered, broken, moved } = await underLoad(async () => {
        await balancer.stop(signal);
        const alone = await balancer.lab.request(PAGE, 200);
        expect(alone.errors).toEqual({});
        await balancer.serve();
      });
      expect({ unanswered, broken, moved }).toEqual({ unanswered: {}, broken: {}, moved: 0 });
      const after = (await balancer.status()).services[0]?.counters;
      expect(after?.flows).toBeGreaterThanOrEqual((before?.flows ?? 0) + HELD + 200);
      expect(await balancer.steer("diff", balancer.write(all()))).toMatch(/[Nn]othing/);
    },
  );

  test("all backends fail their checks: all get connections nevertheless, and status says so", async () => {
    await Promise.all(balancer.lab.servers.map((each) => balancer.lab.killServer(each)));
    await expect.poll(async () => (await balancer.status()).services[0]?.failOpen, { interval: 100 }).toBe(true);
    await Promise.all(balancer.lab.servers.map((each) => balancer.lab.startServer(each)));
    await balancer.until((backends) => backends.every(isTaking));
    const tally = await balancer.lab.request(PAGE, 400);
    expect(tally.errors).toEqual({});
    expect(Object.keys(tally.answers)).toHaveLength(SERVERS);
  });
});
