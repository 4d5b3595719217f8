/** What `explain` says, beside what the datapath's own program does with the packet; and what that counts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noKernel, withoutKernel } from "../../test/kernel.ts";
import { ETHERTYPE, frame, type HOST, ipv4, ipv6, PEER, PROTOCOL, pattern, udp } from "../../test/packets/index.ts";
import { openProgram } from "../runtime/open-program.ts";
import type { LoadedProgram } from "../runtime/program.ts";
import { parseIp } from "../sys/ip-address.ts";
import { formatMac } from "../sys/mac.ts";
import { startBalancer } from "./balancer.ts";
import type { Balancer, FlowQuestion } from "./contract.ts";
import { readDocument } from "./document.ts";
import { SMALL } from "./testing/maps-only.ts";
import { addPair, moveIntoNamespace } from "./testing/namespace.ts";

const backends = (...hosts: number[]) =>
  `[${hosts.map((host) => `{ name: b${host}, address: HOST${host}, mac: "02:00:00:00:00:0${host}", device: lb0 }`).join()}]`;
const four = (text: string) => text.replaceAll("HOST", "10.7.0.");
const six = (text: string) => text.replaceAll(/HOST(\d)/g, "'2001:db8:7::$1'");

/** Three backends each, told apart by their MAC addresses. */
const DOCUMENT = `
devices: [{ name: lb0 }]
tableSize: 251
services:
- { name: exact, address: 192.0.2.1, port: 53, protocol: udp, mode: direct, backends: ${four(backends(1, 2, 3))} }
- { name: all, address: 192.0.2.2, port: all, protocol: udp, mode: direct, affinity: source, backends: ${four(backends(1, 2, 3))} }
- { name: net, address: 198.51.100.0/24, port: 53, protocol: udp, mode: direct, backends: ${four(backends(1, 2, 3))} }
- { name: netall, address: 203.0.113.0/24, port: all, protocol: udp, mode: direct, backends: ${four(backends(1, 2, 3))} }
- { name: exact6, address: '2001:db8::1', port: 53, protocol: udp, mode: direct, backends: ${six(backends(1, 2, 3))} }
- { name: net6, address: '2001:db8:5::/64', port: all, protocol: udp, mode: direct, affinity: source, backends: ${six(backends(1, 2, 3))} }
`;

describe.skipIf(noKernel)(`explain${withoutKernel}`, () => {
  let leave: () => void;
  let balancer: Balancer;
  let program: LoadedProgram;
  const directory = mkdtempSync(join(tmpdir(), "ws-explain-"));

  beforeAll(async () => {
    leave = moveIntoNamespace("explain");
    addPair("lb0", ["10.7.0.254/24", "2001:db8:7::fe/64"]);
    balancer = await startBalancer({
      instance: `test-explain-${process.pid}`,
      directory,
      entries: SMALL,
      state: readDocument(DOCUMENT),
    });
    program = openProgram((await balancer.status()).devices[0]?.program ?? 0);
  });
  afterAll(async () => {
    program?.close();
    await balancer?.close({ detach: true });
    rmSync(directory, { recursive: true });
    leave?.();
  });

  /** Whom the datapath sends it to. */
  function sent({ client, clientPort, address, port }: FlowQuestion): string | null {
    const datagram = udp(pattern(9), { sourcePort: clientPort, destinationPort: port });
    const [from, to] = [client, address].map((each) => ({ ...PEER, ipv4: [...parseIp(each)], ipv6: [...parseIp(each)] }));
    const packet = client.includes(":")
      ? frame(ETHERTYPE.IPV6, ipv6(datagram, PROTOCOL.UDP, { from: from as typeof PEER, to: to as typeof HOST }))
      : frame(ETHERTYPE.IPV4, ipv4(datagram, { protocol: PROTOCOL.UDP, from: from as typeof PEER, to: to as typeof HOST }));
    const { action, packet: out } = program.run(packet);
    const [, host] = /^02:00:00:00:00:0(\d)$/.exec(formatMac(out.subarray(0, 6))) ?? [];
    return action === 3 || action === 4 ? `b${host}` : null;
  }
  const clients = Array.from({ length: 40 }, (_, index) => ({
    clientPort: 1000 + index * 977,
    four: `172.16.${index}.9`,
    six: `2001:db8:c::${index + 1}`,
  }));

  it.each([
    ["exact", "192.0.2.1", 53],
    ["all", "192.0.2.2", 53],
    ["all", "192.0.2.2", 54],
    ["net", "198.51.100.77", 53],
    ["netall", "203.0.113.9", 4321],
    ["exact6", "2001:db8::1", 53],
    ["net6", "2001:db8:5::77", 99],
  ])("%s at %s port %i: says what the program does, before and after", async (service, address, port) => {
    const chosen = new Set<string | null>();
    for (const { clientPort, ...client } of clients) {
      const question = {
        protocol: "udp",
        client: address.includes(":") ? client.six : client.four,
        clientPort,
        address,
        port,
      } as const;
      const before = await balancer.explain(question);
      expect(before).toMatchObject({ service, by: "table" });
      expect(sent(question)).toBe(before.backend);
      expect(await balancer.explain(question)).toMatchObject({
        service,
        backend: before.backend,
        by: "flow",
        idleSeconds: expect.any(Number),
      });
      chosen.add(before.backend);
    }
    expect([...chosen].sort()).toEqual(["b1", "b2", "b3"]);
  });

  it("addresses and ports of no service go nowhere", async () => {
    for (const [address, port] of [
      ["192.0.2.1", 80],
      ["198.51.100.1", 54],
      ["192.0.2.99", 53],
      ["2001:db8::2", 53],
    ] as const) {
      const client = address.includes(":") ? "2001:db8:c::1" : "172.16.0.1";
      const question = { protocol: "udp", client, clientPort: 1, address, port } as const;
      expect(await balancer.explain(question)).toMatchObject({ service: null, backend: null, by: "none" });
      expect(sent(question)).toBeNull();
    }
  });

  it("a backend that drains keeps its connections and gets no new ones; counters go on through changes and restarts", async () => {
    const question = (clientPort: number) =>
      ({ protocol: "udp", client: "172.16.0.7", clientPort, address: "192.0.2.1", port: 53 }) as const;
    const before = Array.from({ length: 60 }, (_, index) => sent(question(20_000 + index)));
    const counted = async () => (await balancer.status()).services.find(({ name }) => name === "exact");
    const { packets } = (await counted())?.counters ?? { packets: 0 };
    expect(packets).toBeGreaterThanOrEqual(60);
    await balancer.apply(
      readDocument(DOCUMENT.replace("name: b2, address: 10.7.0.2,", "name: b2, address: 10.7.0.2, drain: true,")),
    );
    expect(Array.from({ length: 60 }, (_, index) => sent(question(20_000 + index)))).toEqual(before);
    const later = Array.from({ length: 60 }, (_, index) => sent(question(30_000 + index)));
    expect([...new Set(later)].sort()).toEqual(["b1", "b3"]);
    await balancer.close();
    balancer = await startBalancer({ instance: `test-explain-${process.pid}`, directory, entries: SMALL });
    expect(Array.from({ length: 60 }, (_, index) => sent(question(20_000 + index)))).toEqual(before);
    expect((await counted())?.counters.packets).toBe(packets + 180);
    const [b1, b2, b3] = (await counted())?.backends ?? [];
    expect((b1?.counters.packets ?? 0) + (b2?.counters.packets ?? 0) + (b3?.counters.packets ?? 0)).toBe(packets + 180);
    // Taken out, its connections go to the others, and are theirs from then on.
    await balancer.apply(readDocument(DOCUMENT.replace(/\{ name: b2, address: 10.7.0.2,[^}]*\},/, "")));
    const after = Array.from({ length: 60 }, (_, index) => sent(question(20_000 + index)));
    expect(after.map((each, index) => (before[index] === "b2" ? "moved" : each))).toEqual(
      before.map((each) => (each === "b2" ? "moved" : each)),
    );
    expect(after).not.toContain("b2");
    expect((await balancer.status()).reasons.moved?.packets).toBeGreaterThan(0);
  });
});
