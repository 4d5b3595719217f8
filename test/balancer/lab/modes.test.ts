/** Real servers behind the balancer, in every mode: thousands of connections, and datagrams. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ModeName } from "../../../src/balancer/state.ts";
import { SERVER_PORT } from "../../../src/lab/traffic/index.ts";
import { BIN, cannotRun, ROOT, titled } from "../../cli/sandbox.ts";
import { ServedBalancer } from "./served.ts";

const SERVERS = 4;
const REQUESTS = 1000;
const FLOWS = 128;
const ADDRESS = { 4: "10.12.99.80", 6: "fc00:dead:beef:99::80" } as const;
const ON_LINK = { 4: "10.12.0.80", 6: "fc00:dead:beef::80" } as const;

/** `host` writes an address as URLs have it. */
const host = (address: string) => (address.includes(":") ? `[${address}]` : address);

describe.skipIf(cannotRun !== null).each([
  ["nat", "router", "all"],
  ["nat", "switch", "all"],
  // One bucket, which both CPUs write to all the time: what is forgotten goes where it went.
  ["nat", "router", "seven"],
  ["direct", "switch", "all"],
  ["ipip", "router", "all"],
  ["gue", "router", "all"],
  ["redirect", "router", "all"],
] as [ModeName, "router" | "switch", "all" | "seven"][])(
  titled("the balancer, mode %s, as the %s, which remembers %s connections"),
  (mode, middle, room) => {
    const addresses = middle === "switch" ? ON_LINK : ADDRESS;
    const rewrites = mode === "nat" || mode === "redirect";
    /** The client knows nothing of the server that it hears from: TCP does not get along with that, datagrams do. */
    const answersFromOthers = mode === "redirect";
    const ofTcp = answersFromOthers ? [] : ([4, 6] as const);
    const port = rewrites ? 80 : SERVER_PORT;
    let balancer: ServedBalancer;

    beforeAll(async () => {
      balancer = await ServedBalancer.setup({ name: `bm${process.pid}`, servers: SERVERS, middle });
      if (middle === "switch") {
        // Somebody must answer for the address on the link: the balancer's host.
        await balancer.atBalancer("ip", "address", "add", `${addresses[4]}/32`, "dev", "veth0");
        // Not to be what the host itself connects from: answers to that are the balancer's.
        await balancer.atBalancer("ip", "address", "add", `${addresses[6]}/128`, "dev", "veth0", "nodad", "preferred_lft", "0");
      }
      if (!rewrites) await Promise.all(balancer.lab.servers.map(takeAddress));
      const seven = ["--map-entries", "flows4=7", "--map-entries", "flows6=7"];
      await balancer.serve(document(), ...(room === "seven" ? seven : []));
    });
    afterAll(() => balancer?.[Symbol.asyncDispose]());

    /** The server has the service's address itself, keeps quiet about it, and takes packets out of tunnels. */
    async function takeAddress(server: ServedBalancer["lab"]["servers"][number]): Promise<void> {
      await balancer.onHost(server, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2");
      await balancer.onHost(server, "ip", "address", "add", `${addresses[4]}/32`, "dev", "lo");
      await balancer.onHost(server, "ip", "address", "add", `${addresses[6]}/128`, "dev", "lo", "nodad");
      if (mode === "direct") return;
      await balancer.onHost(
        server,
        process.execPath,
        BIN,
        "load",
        "--force",
        "veth0",
        `${ROOT}/src/programs/balancer-decap.bpf.ts`,
      );
    }

    function document(): string {
      const backend = ({ name, host }: ServedBalancer["lab"]["servers"][number], family: 4 | 6) => {
        const to = rewrites ? `, port: ${SERVER_PORT}` : "";
        const client = balancer.lab.network.host(1);
        // As the packets' source it has answers sent to the client, although not from whom it asked.
        const source = family === 4 ? client.ip4 : client.ip6;
        const by = mode === "redirect" ? `, mac: "${host.mac}", device: ${host.port}, source: "${source}"` : "";
        return `      - { name: ${name}, address: "${family === 4 ? host.ip4 : host.ip6}"${to}${by} }\n`;
      };
      const service = (name: string, family: 4 | 6, protocol: string) => `  - name: ${name}
    address: "${addresses[family]}"
    port: ${port}
    protocol: ${protocol}
    mode: ${mode}
    check: { type: tcp, interval: 0.2, timeout: 1, port: ${SERVER_PORT} }
    backends:
${balancer.lab.servers.map((each) => backend(each, family)).join("")}`;
      const { ip4, ip6, gateway } = balancer.lab.network.host(middle === "router" ? 1 : 2);
      return `source4: ${gateway?.ip4 ?? ip4}
source6: "${gateway?.ip6 ?? ip6}"
tableSize: 1021
services:
${service("echo4", 4, "udp")}${service("echo6", 6, "udp")}${answersFromOthers ? "" : service("web4", 4, "tcp") + service("web6", 6, "tcp")}`;
    }

    test.each(ofTcp)("HTTP over IPv%i: every request is answered, by all servers", async (family) => {
      const tally = await balancer.lab.request(`http://${host(addresses[family])}:${port}/`, REQUESTS);
      expect(tally.errors).toEqual({});
      expect(Object.keys(tally.answers)).toHaveLength(SERVERS);
      for (const answers of Object.values(tally.answers)) expect(answers).toBeGreaterThan(REQUESTS / SERVERS / 2);
      expect(Object.keys(tally.clients)).toHaveLength(1);
    });

    test.each(ofTcp)("large answers over IPv%i arrive whole", async (family) => {
      const tally = await balancer.lab.request(`http://${host(addresses[family])}:${port}/?bytes=2000000`, 8, {
        atOnce: 4,
        timeoutMs: 20_000,
      });
      expect(tally.errors).toEqual({});
    });

    test.each([4, 6] as const)("UDP over IPv%i: every datagram is answered, and each flow by one server", async (family) => {
      const tally = await balancer.lab.volley(addresses[family], port, { flows: FLOWS, rounds: 4 });
      expect({ errors: tally.errors, moved: tally.moved }).toEqual({ errors: {}, moved: 0 });
      expect(Object.keys(tally.answers)).toHaveLength(SERVERS);
    });

    test("is counted by service and by backend", async () => {
      const { services } = await balancer.status();
      for (const { name, counters, backends } of services) {
        const begun = name.startsWith("web") ? REQUESTS + 8 : FLOWS;
        // One that is forgotten counts again when it comes back.
        if (room === "all") expect(counters.flows, name).toBe(begun);
        else expect(counters.flows, name).toBeGreaterThan(begun);
        expect(backends.reduce((sum, each) => sum + each.counters.packets, 0)).toBe(counters.packets);
        expect(backends.reduce((sum, each) => sum + each.counters.flows, 0)).toBe(counters.flows);
        if (mode === "nat" && room === "all") expect(counters.replies).toBeGreaterThan(counters.flows);
      }
    });
  },
);
