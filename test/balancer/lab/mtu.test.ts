/** Links with a smaller MTU than the others, real ones: connections over them work, since those who send too much are told. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SERVER_PORT } from "../../../src/lab/traffic/index.ts";
import { cannotRun, titled } from "../../cli/sandbox.ts";
import { ServedBalancer } from "./served.ts";

const SMALL = 1300;
const ADDRESS = { 4: "10.12.99.80", 6: "fc00:dead:beef:99::80" } as const;
const URL_OF = { 4: `http://${ADDRESS[4]}/`, 6: `http://[${ADDRESS[6]}]/` } as const;

describe.skipIf(cannotRun !== null)(titled("the balancer in front of a link with a smaller MTU"), () => {
  let balancer: ServedBalancer;

  beforeAll(async () => {
    balancer = await ServedBalancer.setup({ name: `bu${process.pid}`, servers: 1, middle: "router" });
    await balancer.serve(document());
  });
  afterAll(() => balancer?.[Symbol.asyncDispose]());

  function document(): string {
    const [server] = balancer.lab.servers;
    const service = (family: 4 | 6) => `  - name: web${family}
    address: "${ADDRESS[family]}"
    port: 80
    protocol: tcp
    check: { type: tcp, interval: 0.2, timeout: 1, port: ${SERVER_PORT} }
    backends:
      - { address: "${server?.host[`ip${family}`]}", port: ${SERVER_PORT} }
`;
    const { gateway } = balancer.lab.network.host(1);
    return `source4: ${gateway?.ip4}\nsource6: "${gateway?.ip6}"\ntableSize: 1021\nservices:\n${service(4)}${service(6)}`;
  }

  const tooBig = async () => (await balancer.status()).reasons.too_big?.packets ?? 0;
  const setMtu = (device: string, mtu: number) => balancer.atBalancer("ip", "link", "set", device, "mtu", `${mtu}`);

  test.each([4, 6] as const)(
    "large requests over IPv%i reach a server behind it, which changed while the balancer ran",
    async (family) => {
      const port = balancer.lab.servers[0]?.host.port as string; // a lab with one server
      const before = await tooBig();
      await setMtu(port, SMALL);
      const tally = await balancer.lab.request(`${URL_OF[family]}?padding=${"x".repeat(8000)}`, 2, {
        atOnce: 1,
        timeoutMs: 20_000,
      });
      await setMtu(port, 1500);
      expect(tally.errors).toEqual({});
      expect(await tooBig()).toBeGreaterThan(before);
    },
  );

  test.each([4, 6] as const)("large answers over IPv%i reach a client behind it", async (family) => {
    const client = balancer.lab.network.host(1);
    // What it was told for its requests makes it ask for smaller answers.
    await balancer.onHost({ host: client }, "ip", `-${family}`, "route", "flush", "cache");
    const { port } = client;
    const before = await tooBig();
    await setMtu(port, SMALL);
    const tally = await balancer.lab.request(`${URL_OF[family]}?bytes=200000`, 2, { atOnce: 1, timeoutMs: 20_000 });
    await setMtu(port, 1500);
    expect(tally.errors).toEqual({});
    expect(await tooBig()).toBeGreaterThan(before);
  });
});
